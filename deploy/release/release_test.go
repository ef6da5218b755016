package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// here is the platform of this machine. Its program is built as tests build it, because the
// release's own build has to compile everything once more.
var here = platform{runtime.GOOS, runtime.GOARCH}

// packed makes the packages of this machine's platform in a new folder.
func packed(t *testing.T) (r *release, binary []byte) {
	t.Helper()
	r, err := newRelease("../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "latchkey")
	build := exec.Command("go", "build", "-o", program, "./cmd/latchkey")
	build.Dir, build.Env = r.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if binary, err = os.ReadFile(program); err != nil {
		t.Fatal(err)
	}
	if err := r.pack([]platform{here}, map[platform][]byte{here: binary}); err != nil {
		t.Fatal(err)
	}
	return r, binary
}

// find returns the file of a release whose name ends in a certain way.
func (r *release) find(t *testing.T, end string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.out, "*"+end))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d files end in %s: %v", len(found), end, r.made)
	}
	return found[0]
}

// TestRelease holds the files of a release against what is promised of them. Two releases of
// one program are the same bytes: no time and no path of the machine is in them.
func TestRelease(t *testing.T) {
	r, binary := packed(t)
	again, _ := packed(t)
	for _, name := range r.made {
		a, errA := os.ReadFile(filepath.Join(r.out, name))
		b, errB := os.ReadFile(filepath.Join(again.out, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v %v", name, errA, errB)
		}
	}
	check := exec.Command("sha256sum", "--check", "--quiet", "SHA256SUMS")
	check.Dir = r.out
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	t.Run("archive", func(t *testing.T) { archiveHasWhatItMust(t, r) })
	if here.os == "linux" {
		t.Run("packages", func(t *testing.T) { packagesInstall(t, r, binary) })
		t.Run("image", func(t *testing.T) { imageIsValid(t, r) })
	}
}

// packagesInstall in an empty root, and what they install issues a key.
func packagesInstall(t *testing.T, r *release, binary []byte) {
	for _, install := range []struct {
		program string
		args    func(root string) []string
		prepare string // a folder that the program needs
	}{
		{"dpkg", func(root string) []string {
			return []string{"--root=" + root, "--force-script-chrootless", "--log=/dev/null",
				"--install", r.find(t, here.arch+".deb")}
		}, "var/lib/dpkg/info"},
		{"rpm", func(root string) []string {
			return []string{"--root", root, "--install", "--nodeps", "--noscripts", r.find(t, ".rpm")}
		}, "var/lib/rpm"},
	} {
		t.Run(install.program, func(t *testing.T) {
			if _, err := exec.LookPath(install.program); err != nil || os.Geteuid() != 0 {
				t.Skipf("%s is not installed, or this is not root", install.program)
			}
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, install.prepare), 0o755); err != nil {
				t.Fatal(err)
			}
			if install.program == "dpkg" {
				for _, name := range []string{"status", "available"} {
					file := filepath.Join(root, "var/lib/dpkg", name)
					if err := os.WriteFile(file, nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			out, err := exec.Command(install.program, install.args(root)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			program := filepath.Join(root, "usr/bin/latchkey")
			if got, err := os.ReadFile(program); err != nil || !bytes.Equal(got, binary) {
				t.Errorf("%s is another program: %v", program, err)
			}
			unit, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/latchkey.service"))
			if err != nil || !bytes.Contains(unit, []byte("ExecStart=/usr/bin/latchkey ")) {
				t.Errorf("the unit is %s: %v", unit, err)
			}
			issuesAKey(t, program)
		})
	}
}

// issuesAKey starts a program and makes the first key.
func issuesAKey(t *testing.T, program string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	serve := exec.Command(program, "--json", "--data", data, "serve", "--listen", "127.0.0.1:0")
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		if err := serve.Wait(); err != nil {
			t.Error(err)
		}
	}()
	var started struct{ URL, RootKey string }
	if err := json.NewDecoder(out).Decode(&started); err != nil {
		t.Fatal(err)
	}
	call := func(op, body string) (answer struct{ Data struct{ APIID, Key string } }) {
		t.Helper()
		req, err := http.NewRequest("POST", started.URL+"/v2/"+op, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+started.RootKey)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || json.Unmarshal(text, &answer) != nil {
			t.Fatalf("%s: %d %s %v", op, res.StatusCode, text, err)
		}
		return answer
	}
	api := call("apis.createApi", `{"name":"first"}`).Data.APIID
	if key := call("keys.createKey", fmt.Sprintf(`{"apiId":%q}`, api)).Data.Key; key == "" {
		t.Error("no key")
	}
}

// imageIsValid: its layers are those that its manifests name, and it runs the service
// as an ordinary user.
func imageIsValid(t *testing.T, r *release) {
	dir := t.TempDir()
	untar := exec.Command("tar", "-xf", r.find(t, "_image.tar"), "-C", dir)
	if out, err := untar.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%v: %v", manifest, err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil || config.Config.User != "65532:65532" || config.Architecture != here.arch {
		t.Errorf("%v: %+v", err, config)
	}
}

// archiveHasWhatItMust: licenses, the page of the manual, completions; and the list of
// modules is that of the program.
func archiveHasWhatItMust(t *testing.T, r *release) {
	out, err := exec.Command("tar", "-tzf", r.find(t, ".tar.gz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"latchkey", "LICENSE", "NOTICES.txt", "README.md", "latchkey.1", "completions/latchkey.bash",
		"completions/_latchkey", "completions/latchkey.fish",
	} {
		if !regexp.MustCompile(`(?m)^latchkey_[^/]+/` + regexp.QuoteMeta(name) + `$`).Match(out) {
			t.Errorf("no %s in %s", name, out)
		}
	}
	text, err := os.ReadFile(r.find(t, ".spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Packages []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"modernc.org/sqlite"`)) || len(bill.Packages) < 20 {
		t.Errorf("%d packages: %s", len(bill.Packages), text)
	}
}

// TestFormulaNamesTheArchives of four platforms with their hashes.
func TestFormulaNamesTheArchives(t *testing.T) {
	r, err := newRelease("../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	binaries := map[platform][]byte{}
	for _, p := range platforms[:4] {
		binaries[p] = []byte(p.String())
		if err := r.archive(p, []file{program(p, binaries[p])}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.formula(binaries); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.find(t, "latchkey.rb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range r.made[:4] {
		sum, err := r.sum(name)
		if err != nil || !strings.Contains(string(text), name+"\"\n      sha256 \""+sum) {
			t.Errorf("%s with %s isn't in %s", name, sum, text)
		}
	}
}
