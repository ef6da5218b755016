// Command gen writes notices.txt, the text of package licenses: the license files
// of all modules that are linked into the program on any system, and of the files of
// others that the dashboard has. It runs in internal/licenses, as go generate does.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	module  = "github.com/latchkeyhq/latchkey"
	program = module + "/cmd/latchkey"
)

// systems are those whose modules are listed. What is linked differs among them.
var systems = []string{"linux", "darwin", "windows", "freebsd"}

func main() {
	log.SetFlags(0)
	text, err := notices()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("notices.txt", text, 0o644); err != nil {
		log.Fatal(err)
	}
}

// notice is one license text and what it applies to.
type notice struct {
	of   []string // names of modules with their versions
	text string
}

// notices returns all license texts, that of Latchkey first, each once.
func notices() ([]byte, error) {
	root, err := command(nil, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	goroot, err := command(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	linked, err := modules()
	if err != nil {
		return nil, err
	}
	loaded, err := vendored(strings.TrimSpace(root))
	if err != nil {
		return nil, err
	}
	sources := append([]source{
		{"Latchkey", strings.TrimSpace(root)},
		{"The Go standard library", strings.TrimSpace(goroot)},
	}, append(linked, loaded...)...)
	var all []*notice
	for _, s := range sources {
		if all, err = s.add(all); err != nil {
			return nil, err
		}
	}
	return written(all), nil
}

// source is something that is linked, and the folder of its license files.
type source struct{ name, dir string }

// vendored returns the packages of other languages whose files are part of the program:
// those that the dashboard's browsers load.
func vendored(root string) ([]source, error) {
	dirs, err := filepath.Glob(filepath.Join(root, "internal/ui/assets/licenses/*"))
	if err != nil {
		return nil, err
	}
	all := make([]source, 0, len(dirs))
	for _, dir := range dirs {
		name, version, _ := strings.Cut(filepath.Base(dir), "@")
		all = append(all, source{name + " " + version, dir})
	}
	return all, nil
}

// modules returns the modules that are linked into the program, by name.
func modules() ([]source, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}"
	found := map[string]source{}
	for _, system := range systems {
		env := []string{"GOOS=" + system, "CGO_ENABLED=0"}
		list, err := command(env, "list", "-deps", "-f", format, program)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(list) {
			if name, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				found[name] = source{name, dir}
			}
		}
	}
	all := make([]source, 0, len(found))
	for _, s := range found {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// add adds the license files of s. It is an error if there is none.
func (s source) add(all []*notice) ([]*notice, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	none := true
	for _, file := range files {
		if !isNotice(file.Name()) || file.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.dir, file.Name()))
		if err != nil {
			return nil, err
		}
		none = false
		all = merge(all, s.name, normal(text))
	}
	if none {
		return nil, fmt.Errorf("%s: no license file in %s", s.name, s.dir)
	}
	return all, nil
}

// isNotice reports whether a file has a license, by its name.
func isNotice(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"} {
		if strings.HasPrefix(name, word) {
			return true
		}
	}
	return false
}

// normal ends lines in the same way everywhere.
func normal(text []byte) string {
	return strings.Trim(string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))), "\n")
}

// merge adds a text, or the name to the notice that has this text.
func merge(all []*notice, name, text string) []*notice {
	for _, n := range all {
		if n.text == text {
			n.of = append(n.of, name)
			return all
		}
	}
	return append(all, &notice{of: []string{name}, text: text})
}

// written returns the notices as one text.
func written(all []*notice) []byte {
	var b bytes.Buffer
	for i, n := range all {
		if i > 0 {
			fmt.Fprintf(&b, "\n%s\n\n", strings.Repeat("=", 80))
		}
		fmt.Fprintf(&b, "%s\n\n%s\n", strings.Join(n.of, "\n"), n.text)
	}
	return b.Bytes()
}

// command runs go with additions to the environment and returns what it prints.
func command(env []string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out), nil
}
