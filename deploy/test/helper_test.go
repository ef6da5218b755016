// Package test checks the files in deploy/ with the real programs that use them, if they
// are installed. It is its own module, so that users of Latchkey do not download its
// dependencies.
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

// scratch is a temporary folder for all tests of the package.
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
	build := exec.Command("go", "build", "-o", program, "./cmd/latchkey")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build latchkey: %w\n%s", err, out)
	}
	return program, nil
})

// need returns the path of a program, or skips the test if it is not installed. It looks
// in the project's .tools folder first.
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

// process is a server that runs until the end of its test.
type process struct {
	*exec.Cmd
	exited chan struct{}
}

// start runs a server and kills it at the end of the test. If the test failed, it logs the
// server's output.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	var output bytes.Buffer
	p := &process{Cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = t.TempDir(), &output, &output
	p.Env = append(os.Environ(), "HOME="+p.Dir, "LATCHKEY_DRAIN_DELAY=3s")
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.exited) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) // it may have exited
		<-p.exited
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(program), output.String())
		}
	})
	return p
}

// stop sends a signal to the process and waits until it has exited.
func (p *process) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		t.Fatal("the process did not exit within a minute")
	}
}

// eventually waits until condition returns true.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for start := time.Now(); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("not true within 20 seconds: %s", what)
		}
	}
}

// freeAddress returns a loopback address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// node is latchkey serve with its own data folder.
type node struct {
	*process
	addr, data string
}

// serve starts a node and waits until it is ready. args are further arguments.
func serve(t *testing.T, addr, data string, args ...string) *node {
	t.Helper()
	program, err := latchkey()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{addr: addr, data: data}
	n.process = start(t, program, append([]string{"serve", "--listen", addr, "--data", data,
		"--drain-delay", "3s", "--trusted-proxies", "127.0.0.1/32"}, args...)...)
	eventually(t, "the node is ready", func() bool {
		res, err := http.Get("http://" + addr + "/health/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return n
}

// rootKey returns the root key of the node's operator.
func (n *node) rootKey(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// certificate creates a certificate for localhost, and returns a file with the certificate
// and its private key.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames:  []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
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

// write writes a file for the test. It is world-readable, for servers that drop
// privileges.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
