package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// file is one file of an archive or a package.
type file struct {
	name    string // a path with slashes
	mode    int64
	content []byte
}

// program is the file of the program.
func program(p platform, content []byte) file {
	name := "latchkey"
	if p.os == "windows" {
		name += ".exe"
	}
	return file{name, 0o755, content}
}

// beside returns the files that come with the program. The program of this machine writes
// some of them.
func (r *release) beside() ([]file, error) {
	var files []file
	for name, from := range map[string]string{
		"LICENSE": "LICENSE", "README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md",
		"NOTICES.txt":      "internal/licenses/notices.txt",
		"latchkey.service": "deploy/systemd/latchkey.service",
	} {
		content, err := os.ReadFile(filepath.Join(r.root, from))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, 0o644, content})
	}
	work, err := os.MkdirTemp("", "latchkey-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	own := filepath.Join(work, "latchkey")
	cmd := exec.Command("go", "build", "-o", own, "./cmd/latchkey")
	cmd.Dir, cmd.Stderr, cmd.Env = r.root, os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	for name, args := range map[string]string{
		"latchkey.1": "man", "completions/latchkey.bash": "completion bash",
		"completions/_latchkey": "completion zsh", "completions/latchkey.fish": "completion fish",
	} {
		content, err := exec.Command(own, strings.Fields(args)...).Output()
		if err != nil {
			return nil, fmt.Errorf("latchkey %s: %w", args, err)
		}
		files = append(files, file{name, 0o644, content})
	}
	return sorted(files), nil
}

// archive writes a zip for Windows, and a tar.gz for others.
func (r *release) archive(p platform, files []file) error {
	name := fmt.Sprintf("latchkey_%s_%s_%s", r.version, p.os, p.arch)
	if p.os == "windows" {
		content, err := r.zip(name, files)
		if err != nil {
			return err
		}
		return r.write(name+".zip", content)
	}
	within := make([]file, len(files))
	for i, f := range files {
		within[i] = file{name + "/" + f.name, f.mode, f.content}
	}
	content, err := r.tarball(within)
	if err != nil {
		return err
	}
	return r.write(name+".tar.gz", content)
}

func (r *release) zip(within string, files []file) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: within + "/" + f.name, Method: zip.Deflate, Modified: r.date}
		w, err := z.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// tarball writes files, and the folders above them, owned by root.
func (r *release) tarball(files []file) ([]byte, error) {
	var b bytes.Buffer
	compressed := gzip.NewWriter(&b)
	err := errors.Join(writeTar(compressed, files, r.date), compressed.Close())
	return b.Bytes(), err
}

// writeTar writes files, and the folders above them.
func writeTar(to io.Writer, files []file, at time.Time) error {
	return writeTarWith(to, files, at, "")
}

// writeTarWith is writeTar with one more folder, which the user of the image owns.
func writeTarWith(to io.Writer, files []file, at time.Time, own string) error {
	t := tar.NewWriter(to)
	there := map[string]bool{".": true}
	var folders func(dir string) error
	folders = func(dir string) error {
		if there[dir] {
			return nil
		}
		there[dir] = true
		if err := folders(path.Dir(dir)); err != nil {
			return err
		}
		return t.WriteHeader(&tar.Header{
			Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: at, Format: tar.FormatGNU,
		})
	}
	for _, f := range files {
		if err := folders(path.Dir(f.name)); err != nil {
			return err
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: at,
			Format: tar.FormatGNU,
		}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(f.content); err != nil {
			return err
		}
	}
	if own != "" {
		if err := t.WriteHeader(&tar.Header{
			Typeflag: tar.TypeDir, Name: own, Mode: 0o700, Uid: user, Gid: user, ModTime: at,
			Format: tar.FormatGNU,
		}); err != nil {
			return err
		}
	}
	return t.Close()
}
