package assets

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFilesOfOthersAreThoseOfVendorTxt: nobody edits a file that another project wrote.
func TestFilesOfOthersAreThoseOfVendorTxt(t *testing.T) {
	list, err := os.ReadFile("vendor.txt")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		files++
		content, err := os.ReadFile("static/" + fields[0])
		if err != nil {
			t.Error(err)
			continue
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != fields[5] {
			t.Errorf("%s has the hash %s, vendor.txt %s", fields[0], got, fields[5])
		}
	}
	if files < 4 {
		t.Errorf("vendor.txt lists %d files", files)
	}
}

// TestSpriteHasTheListedIcons: no more and no fewer.
func TestSpriteHasTheListedIcons(t *testing.T) {
	sprite, err := os.ReadFile("static/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, m := range regexp.MustCompile(`<symbol id="([^"]*)"`).FindAllSubmatch(sprite, -1) {
		have = append(have, string(m[1]))
	}
	want := strings.Fields(iconNames)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the sprite has %v, icons.txt %v: run go generate ./internal/ui/assets",
			have, want)
	}
}

func get(t *testing.T, method, url, encoding string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

// TestEachFileIsServedForever: with its type, compressed for those who take it, and under
// a URL that changes with its content.
func TestEachFileIsServedForever(t *testing.T) {
	for name, a := range all().byName {
		for encoding, zipped := range map[string]bool{
			"": false, "br": false, "gzip, deflate, br": a.zipped != nil,
			"deflate, GZIP;q=1.0": a.zipped != nil, "gzip;q=0, br": false, "gzip; q=0.0": false,
		} {
			res := get(t, "GET", Path(name), encoding)
			body := io.Reader(res.Body)
			if (res.Header.Get("Content-Encoding") == "gzip") != zipped {
				t.Errorf("%s for %q: Content-Encoding %q", name, encoding,
					res.Header.Get("Content-Encoding"))
			}
			if zipped {
				var err error
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			content, err := io.ReadAll(body)
			if err != nil || string(content) != string(a.plain) {
				t.Errorf("%s for %q: %d bytes, %v; want %d", name, encoding,
					len(content), err, len(a.plain))
			}
			for header, want := range map[string]string{
				"Content-Type": a.contentType[0], "X-Content-Type-Options": "nosniff",
				"Cache-Control": "public, max-age=31536000, immutable",
			} {
				if got := res.Header.Get(header); got != want {
					t.Errorf("%s: %s is %q, want %q", name, header, got, want)
				}
			}
		}
	}
}

// TestNothingElseIsServed: no other path, not even that of an older version, and no other
// method.
func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{
		Prefix, Prefix + "htmx.js", Prefix + "htmx.000000000000.js", Prefix + "../assets.go",
		Prefix + "vendor.txt", "/",
	} {
		if res := get(t, "GET", path, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s is answered with %d", path, res.StatusCode)
		}
	}
	if res := get(t, "POST", Path("htmx.js"), ""); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered with %d", res.StatusCode)
	}
	res := get(t, "HEAD", Path("htmx.js"), "")
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || len(body) != 0 {
		t.Errorf("HEAD is answered with %d and %d bytes", res.StatusCode, len(body))
	}
}

// TestStylesNameURLs: a file that a style sheet names is loaded by its hashed URL, and a
// new version of the file gives the style sheet a new URL too.
func TestStylesNameURLs(t *testing.T) {
	with := func(font, style string) (assets, error) {
		return load(fstest.MapFS{
			"static/a.woff2":   {Data: []byte(font)},
			"static/style.css": {Data: []byte(style)},
		})
	}
	one, err := with("one", "@font-face { src: url(a.woff2) }")
	if err != nil {
		t.Fatal(err)
	}
	style := one.byName["style.css"]
	if !strings.Contains(string(style.plain), "url("+one.byName["a.woff2"].url+")") {
		t.Errorf("the style sheet has %s", style.plain)
	}
	two, err := with("two", "@font-face { src: url(a.woff2) }")
	if err != nil {
		t.Fatal(err)
	}
	if two.byName["style.css"].url == style.url {
		t.Errorf("both versions of the style sheet are %s", style.url)
	}
	if _, err := with("one", "url(https://example.com/a.woff2)"); err == nil {
		t.Error("a style sheet can name a file of another server")
	}
	if _, err := load(fstest.MapFS{"static/a.exe": {}}); err == nil {
		t.Error("a file of unknown type is served")
	}
}

// TestIconsAreThoseOfTheSprite: a template that names another one fails.
func TestIconsAreThoseOfTheSprite(t *testing.T) {
	if got := Icon("key-round"); got != Path("icons.svg")+"#key-round" {
		t.Errorf("the icon is %s", got)
	}
	for _, wrong := range []func() string{
		func() string { return Icon("unknown") }, func() string { return Path("unknown.js") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("an unknown name is taken")
				}
			}()
			_ = wrong()
		}()
	}
}
