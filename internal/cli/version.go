package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCmd prints the version.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(a *app) error {
	if a.JSON {
		return a.printJSON(map[string]string{"version": version(), "go": runtime.Version()})
	}
	_, err := fmt.Fprintf(a.stdout, "latchkey %s (%s %s/%s)\n", version(), runtime.Version(),
		runtime.GOOS, runtime.GOARCH)
	return err
}

// version is what the program was built from: a released version of the module,
// or "(devel)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
