// Package assets has the files that a browser loads for the dashboard: style, scripts,
// fonts and icons. Those of others lie in static beside our own; vendor.txt says where
// each comes from, and go generate fetches them anew.
//
// The name of a file in a URL has its hash, so browsers keep it forever and a new version
// is another URL. Nothing is loaded from any other server.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
)

//go:generate go run ./gen

//go:embed static
var embedded embed.FS

//go:embed icons.txt
var iconNames string

// Prefix is the beginning of the path of each file's URL.
const Prefix = "/assets/"

// types are the kinds of files, with their Content-Type. A file of another kind can't be
// added to static.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

// asset is a file as it is served.
type asset struct {
	url         string
	contentType []string
	plain       []byte
	zipped      []byte // nil if gzip doesn't make it smaller
}

// assets are all files, by name and by URL.
type assets struct{ byName, byURL map[string]*asset }

var all = sync.OnceValue(func() assets {
	all, err := load(embedded)
	if err != nil {
		panic(err) // a file of the program itself is wrong, which the tests find
	}
	return all
})

// Path returns the path of the URL of a file in static, such as
// /assets/style.0123456789ab.css for style.css. It panics if there is no such file.
func Path(name string) string {
	a := all().byName[name]
	if a == nil {
		panic(fmt.Sprintf("assets: no file %s", name))
	}
	return a.url
}

// Icon returns the URL of an icon in the sprite, for the href of an SVG use element. It
// panics if icons.txt doesn't have the name.
func Icon(name string) string {
	if !icons()[name] {
		panic(fmt.Sprintf("assets: no icon %s: add it to icons.txt and run go generate", name))
	}
	return Path("icons.svg") + "#" + name
}

var icons = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(iconNames) {
		names[name] = true
	}
	return names
})

// load reads all files. Style sheets come last, because they name the URLs of others.
func load(from fs.FS) (assets, error) {
	all := assets{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	files, err := fs.Glob(from, "static/*")
	if err != nil {
		return all, err
	}
	for _, styles := range []bool{false, true} {
		for _, file := range files {
			if (path.Ext(file) == ".css") != styles {
				continue
			}
			if err := all.add(from, file); err != nil {
				return all, fmt.Errorf("assets: %s: %w", file, err)
			}
		}
	}
	return all, nil
}

func (all assets) add(from fs.FS, file string) error {
	name, ext := path.Base(file), path.Ext(file)
	if types[ext] == "" {
		return fmt.Errorf("files of type %q are not served", ext)
	}
	content, err := fs.ReadFile(from, file)
	if err != nil {
		return err
	}
	if ext == ".css" {
		if content, err = all.withURLs(content); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(content)
	a := &asset{
		url: Prefix + strings.TrimSuffix(name, ext) + "." +
			hex.EncodeToString(sum[:6]) + ext,
		contentType: []string{types[ext]},
		plain:       content,
		zipped:      zip(content),
	}
	all.byName[name], all.byURL[a.url] = a, a
	return nil
}

// reference is a url(…) of a style sheet.
var reference = regexp.MustCompile(`url\(([^)]*)\)`)

// withURLs replaces the names of files in a style sheet with their URLs.
func (all assets) withURLs(style []byte) ([]byte, error) {
	var err error
	changed := reference.ReplaceAllFunc(style, func(match []byte) []byte {
		name := string(reference.FindSubmatch(match)[1])
		a := all.byName[name]
		if a == nil {
			err = fmt.Errorf("url(%s) is no file in static", name)
			return match
		}
		return []byte("url(" + a.url + ")")
	})
	return changed, err
}

// zip compresses content, or returns nil if that saves nothing.
func zip(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a valid one
	_, _ = w.Write(content)                               // a buffer takes everything
	_ = w.Close()
	if b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}
