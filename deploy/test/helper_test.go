// Package test holds what deploy/ offers to its promises, with the real programs
// where the machine has them. It is a module of its own, so that nobody who uses
// Latchkey downloads what it needs.
package test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// scratch is a folder that lives as long as the tests of the package.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "latchkey-deploy-"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(scratch)
	os.Exit(status)
}

// latchkey builds the program once and returns its path.
var latchkey = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "latchkey")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/latchkey")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("latchkey doesn't build: %w\n%s", err, out)
	}
	return program, nil
})

// need returns the path of a program, or skips the test where there is none.
// The project's own folder of tools comes first.
func need(t *testing.T, program string) string {
	t.Helper()
	own, err := filepath.Abs(filepath.Join("../../.tools", program))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{own, program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// process is a server that runs while its test does.
type process struct {
	*exec.Cmd
	gone chan struct{}
}

// start runs a server and ends it with the test, showing what it said if the
// test has failed.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	var said bytes.Buffer
	p := &process{Cmd: exec.Command(program, args...), gone: make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = t.TempDir(), &said, &said
	p.Env = append(os.Environ(), "HOME="+p.Dir, "LATCHKEY_DRAIN_DELAY=3s")
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.gone) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) // it may be gone
		<-p.gone
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), said.String())
		}
	})
	return p
}

// stop sends the process a signal and waits until it is gone.
func (p *process) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.gone:
	case <-time.After(time.Minute):
		t.Fatal("the process is still there after a minute")
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for begun := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("not so after 20 seconds: %s", what)
		}
	}
}

// freeAddress is an address on this machine where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// node is latchkey serve with a folder of its own.
type node struct {
	*process
	addr, data string
}

// serve starts a node and waits until it is ready.
func serve(t *testing.T, addr, data string) *node {
	t.Helper()
	program, err := latchkey()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{addr: addr, data: data}
	n.process = start(t, program, "serve", "--listen", addr, "--data", data, "--drain-delay", "3s")
	eventually(t, "the node is ready", func() bool {
		answer, err := http.Get("http://" + addr + "/health/ready")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return n
}

// rootKey is the key of the node's operator.
func (n *node) rootKey(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// certificate makes a certificate for localhost, and returns the file that holds
// it and its private key.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	return write(t, "tls.pem", string(text))
}

// write writes a file for the test. Servers that give up their rights read it too.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
