// Command gen fetches the files of vendor.txt with npm, writes them to static with the
// licenses of their packages beside it, and writes their hashes to vendor.txt. It runs in
// internal/ui/assets, as go generate does. To take a new version of a file, change it in
// vendor.txt first; to add an icon, add its name to icons.txt.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

const heading = `# The files in static that others wrote: the package of npm each comes from,
# its license, its hash. "go generate ./internal/ui/assets" fetches them and writes this.
`

// maxPackage is the most that is unpacked of one package, in bytes.
const maxPackage = 64 << 20

func main() {
	log.SetFlags(0)
	if err := fetchAll(); err != nil {
		log.Fatal(err)
	}
}

// vendored is one line of vendor.txt.
type vendored struct{ file, pkg, version, from, license, sha256 string }

func fetchAll() error {
	text, err := os.ReadFile("vendor.txt")
	if err != nil {
		return err
	}
	list, err := parse(string(text))
	if err != nil {
		return err
	}
	if err := os.RemoveAll("licenses"); err != nil {
		return err
	}
	for i := range list {
		if err := list[i].fetch(); err != nil {
			return fmt.Errorf("%s: %w", list[i].file, err)
		}
	}
	return os.WriteFile("vendor.txt", written(list), 0o644)
}

// parse reads vendor.txt.
func parse(text string) ([]vendored, error) {
	var list []vendored
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) != 6 {
			return nil, fmt.Errorf("vendor.txt: %q doesn't have 6 fields", strings.TrimSpace(line))
		}
		list = append(list, vendored{
			fields[0], fields[1], fields[2], fields[3], fields[4], fields[5],
		})
	}
	return list, nil
}

// written is vendor.txt with its columns aligned.
func written(list []vendored) []byte {
	b := bytes.NewBufferString(heading)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "# file\tpackage\tversion\tpath\tlicense\tSHA-256")
	for _, v := range list {
		fmt.Fprintln(w, strings.Join(
			[]string{v.file, v.pkg, v.version, v.from, v.license, v.sha256}, "\t"))
	}
	_ = w.Flush() // a buffer takes everything
	return b.Bytes()
}

// fetch writes the file and its license, and sets its hash.
func (v *vendored) fetch() error {
	files, err := unpack(v.pkg + "@" + v.version)
	if err != nil {
		return err
	}
	content := files[v.from]
	if v.from == "icons" {
		if content, err = sprite(files); err != nil {
			return err
		}
	}
	license := files["LICENSE"]
	if content == nil || license == nil {
		return errors.New("the package doesn't have the file, or no license")
	}
	dir := filepath.Join("licenses", path.Base(v.pkg)+"@"+v.version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), license, 0o644); err != nil {
		return err
	}
	v.sha256 = fmt.Sprintf("%x", sha256.Sum256(content))
	return os.WriteFile(filepath.Join("static", v.file), content, 0o644)
}

// unpack downloads a package and returns its files by their path in it. Npm checks the
// signature of what it downloads.
func unpack(pkg string) (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "vendor")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.Command("npm", "pack", "--silent", pkg)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	name, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	archive, err := os.Open(filepath.Join(dir, strings.TrimSpace(string(name))))
	if err != nil {
		return nil, err
	}
	defer func() { _ = archive.Close() }()
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return nil, err
	}
	return filesOf(tar.NewReader(io.LimitReader(zipped, maxPackage)))
}

func filesOf(r *tar.Reader) (map[string][]byte, error) {
	files := map[string][]byte{}
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(header.Name, "/") // all are in one folder
		if files[name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

var (
	element = regexp.MustCompile(`(?s)<svg[^>]*>(.*)</svg>`)
	space   = regexp.MustCompile(`\s*\n\s*`)
)

// sprite makes one file of the icons in icons.txt. Each is a symbol under its name, drawn
// with the stroke of the element that uses it.
func sprite(files map[string][]byte) ([]byte, error) {
	list, err := os.ReadFile("icons.txt")
	if err != nil {
		return nil, err
	}
	names := strings.Fields(string(list))
	slices.Sort(names)
	b := bytes.NewBufferString(`<svg xmlns="http://www.w3.org/2000/svg">` + "\n")
	for _, name := range names {
		inner := element.FindSubmatch(files["icons/"+name+".svg"])
		if inner == nil {
			return nil, fmt.Errorf("lucide-static has no icon %q", name)
		}
		shapes := strings.ReplaceAll(space.ReplaceAllString(string(inner[1]), ""), " />", "/>")
		fmt.Fprintf(b, `<symbol id="%s" viewBox="0 0 24 24">%s</symbol>`+"\n", name, shapes)
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}
