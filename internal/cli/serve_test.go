package cli

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// started is latchkey serve with a fresh data folder.
type started struct {
	*service
	t    *testing.T
	dir  string
	data string
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	dir := t.TempDir()
	return startIn(t, dir, args...)
}

func startIn(t *testing.T, dir string, args ...string) *started {
	t.Helper()
	data := filepath.Join(dir, "data")
	s, err := startService(dir, []string{"LATCHKEY_DATA=" + data}, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.end(syscall.SIGKILL) })
	return &started{service: s, t: t, dir: dir, data: data}
}

// log returns what the service has logged.
func (s *started) log() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "serve.err"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// field returns an attribute of the line "started".
func (s *started) field(name string) string {
	s.t.Helper()
	found := regexp.MustCompile(`msg=started .*\b` + name + `=(\S+)`).FindStringSubmatch(s.log())
	if found == nil {
		s.t.Fatalf("the log has no %s: %s", name, s.log())
	}
	return found[1]
}

// connect opens a connection to the service, and sends the text.
func (s *started) connect(text string) net.Conn {
	s.t.Helper()
	_, address, _ := strings.Cut(s.url, "://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// status returns the status of a GET.
func status(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func wantStatus(t *testing.T, url string, want int) {
	t.Helper()
	if got := status(t, http.DefaultClient, url); got != want {
		t.Errorf("%s: status %d, want %d", url, got, want)
	}
}

// TestMetricsAreNotForEverybody: without an address of their own, they are served only if
// nobody else reaches this machine's port.
func TestMetricsAreNotForEverybody(t *testing.T) {
	local := start(t)
	wantStatus(t, local.url+"/metrics", 200)
	wantStatus(t, local.url+"/%6detrics", 404)
	if got := local.field("metrics"); got != local.url+"/metrics" {
		t.Errorf("the metrics are said to be at %s", got)
	}
	public := start(t, "--listen", "0.0.0.0:0")
	wantStatus(t, public.url+"/metrics", 404)
	wantStatus(t, public.url+"/health/ready", 200)
	if got := public.field("metrics"); got != "off" {
		t.Errorf("the metrics are said to be at %s", got)
	}
	apart := start(t, "--listen", "0.0.0.0:0", "--metrics-listen", "127.0.0.1:0")
	at := strings.TrimSuffix(apart.field("metrics"), "/metrics")
	for url, want := range map[string]int{
		apart.url + "/metrics": 404, at + "/metrics": 200, at + "/health/live": 200,
		at + "/health/ready": 200, at + "/v2/liveness": 404, at + "/reference": 404,
	} {
		wantStatus(t, url, want)
	}
}

// TestStartSaysWhatMatters: one line with what runs where, and a warning for each thing
// that is open to others.
func TestStartSaysWhatMatters(t *testing.T) {
	s := start(t)
	for _, want := range []string{
		"version=", "url=" + s.url, "data=" + s.data, "limits=exact", "redis=false",
	} {
		if !strings.Contains(s.log(), want) {
			t.Errorf("the log lacks %s: %s", want, s.log())
		}
	}
	if strings.Contains(s.log(), "level=WARN") {
		t.Errorf("a warning without a reason: %s", s.log())
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for name, mode := range map[string]os.FileMode{"": 0o750, "master.key": 0o644, "root.key": 0o640} {
		if err := os.Chmod(filepath.Join(s.data, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	s = startIn(t, s.dir, "--listen", "0.0.0.0:0")
	for _, want := range []string{
		"root keys arrive unencrypted", `path=` + s.data + ` mode=0750 fix="chmod 700`,
		`master.key mode=0644 fix="chmod 600`, `root.key mode=0640 fix="chmod 600`,
	} {
		if !strings.Contains(s.log(), want) {
			t.Errorf("the log lacks %q: %s", want, s.log())
		}
	}
}

// TestConnectionsBeyondTheLimitAreRefused with a response, and connections that are
// closed make room for others.
func TestConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	s := start(t, "--max-connections", "2")
	const request = "GET /v2/liveness HTTP/1.1\r\nHost: x\r\n\r\n"
	ask := func(conn net.Conn) int {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Contains(body, []byte(`"meta":{"requestId":"req_`)) {
			t.Errorf("the body is %q (%v)", body, err)
		}
		if res.StatusCode == 503 && (res.Header.Get("Retry-After") != "1" || !res.Close) {
			t.Errorf("the header is %v", res.Header)
		}
		return res.StatusCode
	}
	first, second := s.connect(request), s.connect(request)
	if ask(first) != 200 || ask(second) != 200 {
		t.Fatal("connections within the limit are refused")
	}
	if got := ask(s.connect(request)); got != 503 {
		t.Errorf("one connection more: status %d", got)
	}
	eventually(t, "the log has the reason", func() bool {
		return strings.Contains(s.log(), "--max-connections are open")
	})
	first.Close()
	for deadline := time.Now().Add(10 * time.Second); ask(s.connect(request)) != 200; {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection made no room")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// selfSigned writes a certificate for localhost and its key, and returns its serial number.
func selfSigned(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServiceSpeaksTLS over HTTP/1.1, and takes a renewed certificate without a restart.
// Files that can't be used change nothing.
func TestServiceSpeaksTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	selfSigned(t, certFile, keyFile, 1)
	s := start(t, "--listen", "0.0.0.0:0", "--tls-cert", certFile, "--tls-key", keyFile)
	if !strings.HasPrefix(s.url, "https://") || strings.Contains(s.log(), "unencrypted") {
		t.Errorf("at %s: %s", s.url, s.log())
	}
	serial := func() int64 {
		t.Helper()
		config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), config)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("the protocol is %s", got)
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	defer client.CloseIdleConnections()
	if got := status(t, client, s.url+"/v2/liveness"); got != 200 {
		t.Errorf("status %d", got)
	}
	if err := os.WriteFile(keyFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log says why", func() bool {
		return serial() == 1 && strings.Contains(s.log(), "could not be reloaded")
	})
	selfSigned(t, certFile, keyFile, 2)
	eventually(t, "the new certificate is used", func() bool { return serial() == 2 })
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

// TestStrangersTakeLittleMemory: 200 connections without a valid root key, idle, with half
// a header, with a long body all but sent, or with one that goes on, cost a node less than
// 100 MB.
func TestStrangersTakeLittleMemory(t *testing.T) {
	s := start(t)
	resident := func() int64 {
		t.Helper()
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
		if err != nil {
			t.Skip("this system has no /proc")
		}
		found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
		kB, _ := strconv.ParseInt(string(found[1]), 10, 64)
		return kB << 10
	}
	head := func(auth string, length int) string {
		return "POST /v2/keys.migrateKeys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
			"Authorization: " + auth + "\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n"
	}
	spaces := strings.Repeat(" ", 3<<20)
	before := resident()
	for i := range 200 {
		switch i % 5 {
		case 0:
			s.connect("")
		case 1: // half a header, as long as is read
			s.connect("POST /v2/keys.verifyKey HTTP/1.1\r\nX: " + strings.Repeat("x", 15<<10))
		case 2: // a short body, all but the last byte
			s.connect(head("Bearer nonsense", 16<<10) + spaces[:16<<10-1])
		case 3: // a long one in chunks
			_, _ = io.WriteString(s.connect("POST /v2/keys.migrateKeys HTTP/1.1\r\nHost: x\r\n"+
				"Content-Type: application/json\r\nAuthorization: Bearer nonsense\r\n"+
				"Transfer-Encoding: chunked\r\n\r\n3fff\r\n"), spaces[:16<<10-2])
		case 4: // a long one
			conn := s.connect(head("Bearer nonsense", 10<<20))
			_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(conn, spaces) // it may be refused meanwhile
		}
	}
	time.Sleep(300 * time.Millisecond) // until all has arrived
	if more := resident() - before; more > 100<<20 {
		t.Errorf("the service takes %d MB more", more>>20)
	}
	wantStatus(t, s.url+"/health/ready", 200)
}
