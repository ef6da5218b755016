// Command release builds what a release consists of, in a folder: static binaries for every
// platform in archives, Debian and RPM packages, an OCI image, a Homebrew formula, a software
// bill of materials and checksums. It runs on Linux and needs no root, no container engine
// and no packaging program. The same commit and the same Go give the same bytes.
//
//	go -C deploy/release run . -out ../../dist
//	go -C deploy/release run . -out ../../dist -only linux/amd64
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// release is a version of the program, and the folder that its files go to.
type release struct {
	version string // without a v: 1.2.3, or 0.0.0-20261128.abcdef123456 between releases
	commit  string
	date    time.Time // of the commit: the time of all files
	root    string    // of the repository
	out     string
	made    []string // names of the files in out
}

// platform is an operating system and an architecture, as Go names them.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func main() {
	log.SetFlags(0)
	out := flag.String("out", "../../dist", "folder of the release; it must not exist, or be empty")
	only := flag.String("only", "", "platforms to build, such as linux/amd64, separated by commas")
	flag.Parse()
	r, err := newRelease("../..", *out)
	if err == nil {
		err = r.run(chosen(*only))
	}
	if err != nil {
		log.Fatal("release: ", err)
	}
}

// chosen returns the platforms of the list, all for an empty one.
func chosen(only string) []platform {
	if only == "" {
		return platforms
	}
	return slices.DeleteFunc(slices.Clone(platforms), func(p platform) bool {
		return !slices.Contains(strings.Split(only, ","), p.String())
	})
}

// newRelease reads the version from git: that of the tag of the commit, or one between
// releases.
func newRelease(root, out string) (*release, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	r := &release{root: root, out: out}
	facts, err := r.git("show", "--no-patch", "--format=%H %ct", "HEAD")
	if err != nil {
		return nil, err
	}
	var seconds int64
	if _, err := fmt.Sscan(facts, &r.commit, &seconds); err != nil {
		return nil, err
	}
	r.date = time.Unix(seconds, 0).UTC()
	r.version = fmt.Sprintf("0.0.0-%s.%.12s", r.date.Format("20060102150405"), r.commit)
	if tag, err := r.git("describe", "--exact-match", "--match", "v[0-9]*"); err == nil {
		r.version = strings.TrimPrefix(tag, "v")
	}
	return r, nil
}

func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// run builds everything for the platforms.
func (r *release) run(all []platform) error {
	if err := r.begin(all); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "latchkey-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	binaries := map[platform][]byte{}
	for _, p := range all {
		begun := time.Now()
		if binaries[p], err = r.build(p, filepath.Join(work, "latchkey")); err != nil {
			return err
		}
		log.Printf("built %s in %v, %d MB", p, time.Since(begun).Round(time.Second),
			len(binaries[p])>>20)
	}
	return r.pack(all, binaries)
}

// begin makes the folder.
func (r *release) begin(all []platform) error {
	if len(all) == 0 {
		return fmt.Errorf("no such platform; there are %v", platforms)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	there, err := os.ReadDir(r.out)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("%s is not empty", r.out)
	}
	return err
}

// build returns the program for a platform.
func (r *release) build(p platform, file string) ([]byte, error) {
	const pkg = " -X github.com/latchkeyhq/latchkey/internal/cli."
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", file, "-ldflags",
		"-s -w -buildid="+pkg+"released=v"+r.version+pkg+"commit="+r.commit+pkg+"commitDate="+
			r.date.Format(time.RFC3339), "./cmd/latchkey")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS="+p.os, "GOARCH="+p.arch,
		"GOAMD64=v1", "GOARM64=v8.0")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return os.ReadFile(file)
}

// pack makes all files of the release from the programs.
func (r *release) pack(all []platform, binaries map[platform][]byte) error {
	beside, err := r.beside()
	if err != nil {
		return err
	}
	for _, p := range all {
		files := append([]file{program(p, binaries[p])}, beside...)
		if err := r.archive(p, files); err != nil {
			return err
		}
		if p.os == "linux" {
			tree := r.tree(files)
			if err := r.deb(p, tree); err != nil {
				return err
			}
			if err := r.rpm(p, tree); err != nil {
				return err
			}
		}
	}
	for _, make := range []func(map[platform][]byte) error{r.image, r.sbom, r.formula} {
		if err := make(binaries); err != nil {
			return err
		}
	}
	return r.checksums()
}

// write adds a file to the release.
func (r *release) write(name string, content []byte) error {
	r.made = append(r.made, name)
	return os.WriteFile(filepath.Join(r.out, name), content, 0o644)
}

// sum returns the SHA-256 of a file of the release, in hex.
func (r *release) sum(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(r.out, name))
	return fmt.Sprintf("%x", sha256.Sum256(content)), err
}

// checksums writes SHA256SUMS, which sha256sum --check reads.
func (r *release) checksums() error {
	slices.Sort(r.made)
	var b bytes.Buffer
	for _, name := range r.made {
		sum, err := r.sum(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return r.write("SHA256SUMS", b.Bytes())
}
