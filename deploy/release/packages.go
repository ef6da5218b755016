package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/google/rpmpack"
)

const (
	summary     = "API keys: issue, verify, revoke, limit"
	description = "Latchkey issues, verifies and revokes API keys, and enforces their permissions,\n" +
		"credits and rate limits."
	homepage   = "https://github.com/latchkeyhq/latchkey"
	maintainer = "Latchkey <security@latchkeyhq.github.io>"
)

// reload makes systemd read the unit, and restarts a service that runs.
const reload = `if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart latchkey.service
fi
`

func sorted(files []file) []file {
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files
}

// tree returns where the files are on a Linux machine.
func (r *release) tree(files []file) []file {
	places := map[string]string{
		"latchkey":                  "usr/bin/latchkey",
		"latchkey.service":          "usr/lib/systemd/system/latchkey.service",
		"latchkey.1":                "usr/share/man/man1/latchkey.1.gz",
		"completions/latchkey.bash": "usr/share/bash-completion/completions/latchkey",
		"completions/_latchkey":     "usr/share/zsh/vendor-completions/_latchkey",
		"completions/latchkey.fish": "usr/share/fish/vendor_completions.d/latchkey.fish",
		"LICENSE":                   "usr/share/doc/latchkey/copyright",
	}
	var tree []file
	for _, f := range files {
		switch f.name {
		case "latchkey.service":
			f.content = bytes.ReplaceAll(f.content, []byte("/usr/local/bin/"), []byte("/usr/bin/"))
		case "latchkey.1":
			f.content = gzipped(f.content)
		}
		f.name = cmp.Or(places[f.name], "usr/share/doc/latchkey/"+f.name)
		tree = append(tree, f)
	}
	return sorted(tree)
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(content)                               // memory is written without errors
	_ = w.Close()
	return b.Bytes()
}

// deb writes a Debian package: an ar archive of two tar archives (deb(5)).
func (r *release) deb(p platform, tree []file) error {
	size, sums := 0, ""
	for _, f := range tree {
		size += len(f.content)
		sums += fmt.Sprintf("%x  %s\n", md5.Sum(f.content), f.name)
	}
	// a hyphen would begin the revision of the package
	version := strings.ReplaceAll(r.version, "-", "~")
	control := fmt.Sprintf("Package: latchkey\nVersion: %s\nArchitecture: %s\nMaintainer: %s\n"+
		"Installed-Size: %d\nSection: net\nPriority: optional\nHomepage: %s\nDescription: %s\n %s\n",
		version, p.arch, maintainer, size>>10, homepage, summary,
		strings.ReplaceAll(description, "\n", "\n "))
	head, err := r.tarball([]file{
		{"control", 0o644, []byte(control)}, {"md5sums", 0o644, []byte(sums)},
		{"postinst", 0o755, []byte("#!/bin/sh\nset -e\n" + reload)},
	})
	if err != nil {
		return err
	}
	data, err := r.tarball(tree)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, f := range []file{
		{"debian-binary", 0, []byte("2.0\n")}, {"control.tar.gz", 0, head}, {"data.tar.gz", 0, data},
	} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", f.name, r.date.Unix(), 0, 0, "100644",
			len(f.content))
		b.Write(f.content)
		if len(f.content)%2 != 0 {
			b.WriteByte('\n')
		}
	}
	return r.write(fmt.Sprintf("latchkey_%s_%s.deb", version, p.arch), b.Bytes())
}

// rpm writes an RPM package.
func (r *release) rpm(p platform, tree []file) error {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[p.arch]
	version := strings.ReplaceAll(r.version, "-", "~")
	pkg, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: "latchkey", Version: version, Release: "1", Arch: arch, OS: "linux", Summary: summary,
		Description: description, URL: homepage, Licence: "Apache-2.0", BuildTime: r.date,
		BuildHost: "localhost", Compressor: "gzip",
	})
	if err != nil {
		return err
	}
	pkg.AddPostin(reload)
	for _, f := range tree {
		pkg.AddFile(rpmpack.RPMFile{
			Name: path.Join("/", f.name), Body: f.content, Mode: uint(f.mode), Owner: "root",
			Group: "root", MTime: uint32(r.date.Unix()),
		})
	}
	var b bytes.Buffer
	if err := pkg.Write(&b); err != nil {
		return err
	}
	return r.write(fmt.Sprintf("latchkey-%s-1.%s.rpm", version, arch), b.Bytes())
}
