package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// What make release builds has these from the linker: the version, the commit and its time.
var released, commit, commitDate string

// versionCmd prints the version.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(a *app) error {
	commit, date := built()
	if a.JSON {
		return a.printJSON(struct {
			Version string `json:"version"`
			Commit  string `json:"commit,omitempty"`
			Date    string `json:"date,omitempty"`
			Go      string `json:"go"`
		}{version(), commit, date, runtime.Version()})
	}
	from := ""
	if commit != "" {
		from = fmt.Sprintf("commit %.12s of %s, ", commit, date)
	}
	_, err := fmt.Fprintf(a.stdout, "latchkey %s (%s%s %s/%s)\n", version(), from,
		runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version is what the program was built from: a released version of the module,
// or "(devel)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return cmp.Or(released, info.Main.Version, "(devel)")
}

// built returns the commit that the program was built from and its time, if they are known.
func built() (revision, date string) {
	revision, date = commit, commitDate
	info, ok := debug.ReadBuildInfo()
	if revision != "" || !ok {
		return revision, date
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.time":
			date = s.Value
		}
	}
	return revision, date
}
