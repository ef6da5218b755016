package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is the one that the image runs as, and that owns its data folder.
const user = 65532

// image writes an OCI image for the Linux platforms, as a tar archive of an image layout.
// It has the program, the certificates of public authorities and an empty data folder. It
// means the same as deploy/Dockerfile.
func (r *release) image(binaries map[platform][]byte) error {
	dir, err := os.MkdirTemp("", "latchkey-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index, found := v1.ImageIndex(empty.Index), false
	for _, p := range platforms {
		if binaries[p] == nil || p.os != "linux" {
			continue
		}
		image, err := r.imageFor(p, binaries[p])
		if err != nil {
			return err
		}
		found = true
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
	}
	if !found {
		return nil
	}
	if _, err := layout.Write(dir, index); err != nil {
		return err
	}
	files, err := filesIn(dir)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := writeTar(&b, files, r.date); err != nil {
		return err
	}
	return r.write(fmt.Sprintf("latchkey_%s_image.tar", r.version), b.Bytes())
}

// imageFor returns the image for one platform.
func (r *release) imageFor(p platform, binary []byte) (v1.Image, error) {
	layers, err := r.layers(binary)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.config(p, image))
}

// config says how the image runs, as deploy/Dockerfile does.
func (r *release) config(p platform, image v1.Image) *v1.ConfigFile {
	file, _ := image.ConfigFile() // an image in memory has one
	file = file.DeepCopy()
	file.OS, file.Architecture = p.os, p.arch
	file.Created = v1.Time{Time: r.date}
	file.History = nil
	file.Config = v1.Config{
		User: fmt.Sprintf("%d:%[1]d", user), Entrypoint: []string{"/usr/local/bin/latchkey"},
		Cmd: []string{"serve"}, StopSignal: "SIGTERM",
		Env: []string{"PATH=/usr/local/bin", "LATCHKEY_DATA=/data", "LATCHKEY_LISTEN=0.0.0.0:7070",
			"LATCHKEY_METRICS_LISTEN=0.0.0.0:7071"},
		ExposedPorts: map[string]struct{}{"7070/tcp": {}, "7071/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title": "Latchkey", "org.opencontainers.image.description": summary,
			"org.opencontainers.image.source": homepage, "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.commit,
		},
	}
	return file
}

// layers returns a layer that seldom changes, and one with the program.
func (r *release) layers(binary []byte) ([]v1.Layer, error) {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}
		if err := pem.Encode(&roots, block); err != nil {
			return nil, err
		}
	}
	base, err := r.layer([]file{
		{"etc/passwd", 0o644, fmt.Appendf(nil, "latchkey:x:%d:%[1]d::/data:/sbin/nologin\n", user)},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, roots.Bytes()},
	}, "data/")
	if err != nil {
		return nil, err
	}
	top, err := r.layer([]file{{"usr/local/bin/latchkey", 0o755, binary}}, "")
	return []v1.Layer{base, top}, err
}

// layer returns a layer with files, and with a folder of the user of the image.
func (r *release) layer(files []file, own string) (v1.Layer, error) {
	var b bytes.Buffer
	if err := writeTarWith(&b, files, r.date, own); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	})
}

// filesIn returns the files in a folder.
func filesIn(dir string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(dir, name)
		files = append(files, file{filepath.ToSlash(short), 0o644, content})
		return err
	})
	return sorted(files), err
}
