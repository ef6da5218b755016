package test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// proxy says how to check and run one of the examples in deploy/proxy.
type proxy struct {
	program, file string
	check, run    []string // arguments; FILE is the configuration, DIR a temporary folder
}

var proxies = []proxy{
	{"haproxy", "haproxy.cfg", []string{"-c", "-f", "FILE"}, []string{"-db", "-f", "FILE"}},
	{"nginx", "nginx.conf", []string{"-t", "-c", "FILE", "-e", "stderr", "-g", "pid DIR/pid;"},
		[]string{"-c", "FILE", "-e", "stderr", "-g", "daemon off; pid DIR/pid;"}},
	{"caddy", "Caddyfile", []string{"validate", "--adapter", "caddyfile", "--config", "FILE"},
		[]string{"run", "--adapter", "caddyfile", "--config", "FILE"}},
	{"envoy", "envoy.yaml", []string{"--mode", "validate", "-c", "FILE"},
		[]string{"-c", "FILE", "--use-dynamic-base-id", "-l", "warning"}},
}

// lostOnStop returns how many requests can be lost when a node stops: none, except with
// nginx. The open-source nginx has no health checks, so it sends requests to a node until the
// port closes.
func (p proxy) lostOnStop() int64 {
	if p.program == "nginx" {
		return workers
	}
	return 0
}

// arguments replaces FILE and DIR in arguments.
func arguments(args []string, file, dir string) []string {
	filled := make([]string, len(args))
	for i, arg := range args {
		filled[i] = strings.NewReplacer("FILE", file, "DIR", dir).Replace(arg)
	}
	return filled
}

// configure adapts the example to the test: it listens on addr, uses a test certificate, and
// balances between two nodes and a third address on which nobody listens.
func (p proxy) configure(t *testing.T, addr string, nodes [2]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../proxy", p.file))
	if err != nil {
		t.Fatal(err)
	}
	pem, nobody := certificate(t), freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	replacements := []string{
		"bind :443", "bind " + addr, "listen 443", "listen " + addr,
		"address: 0.0.0.0, port_value: 443", "address: 127.0.0.1, port_value: " + port,
		"latchkey.example.com {", "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" +
			"https://localhost:" + port + " {\n\tbind 127.0.0.1\n\ttls " + pem + " " + pem,
		"/etc/latchkey/tls.pem", pem,
	}
	for i, node := range []string{nodes[0], nodes[1], nobody} {
		host, port, _ := net.SplitHostPort(node)
		address := "10.0.0.1" + string(rune('1'+i))
		replacements = append(replacements, address+":7070", node,
			"address: "+address+", port_value: 7070", "address: "+host+", port_value: "+port)
	}
	configured := strings.NewReplacer(replacements...).Replace(string(text))
	if strings.Contains(configured, "10.0.0.1") || !strings.Contains(configured, pem) {
		t.Fatalf("%s was not fully adapted:\n%s", p.file, configured)
	}
	return write(t, p.file, configured)
}

// TestProxyExamplesAreValid runs the configuration check of each proxy.
func TestProxyExamplesAreValid(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			program := need(t, p.program)
			file := p.configure(t, freeAddress(t), [2]string{freeAddress(t), freeAddress(t)})
			check := exec.Command(program, arguments(p.check, file, t.TempDir())...)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestProxiesRemoveAndRestoreNodes runs each example in front of two real nodes under load. A
// node that stops or is killed loses at most the requests in progress, and a node that
// comes back gets requests again. A stopping node responds to every request that has reached
// it. A request that the proxy sends on an idle connection while the node closes it is lost,
// because nobody can know whether it arrived.
func TestProxiesRemoveAndRestoreNodes(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			t.Parallel()
			program := need(t, p.program)
			one, two := serve(t, freeAddress(t), t.TempDir()), serve(t, freeAddress(t), t.TempDir())
			addr := freeAddress(t)
			file := p.configure(t, addr, [2]string{one.addr, two.addr})
			start(t, program, arguments(p.run, file, t.TempDir())...)

			client := newProxyClient(t, addr, one.rootKey(t))
			eventually(t, "the proxy responds", func() bool { return client.verify() != lost })
			hidesPrivatePaths(t, client)
			ignoresForgedAddress(t, client)
			both := func() bool {
				return client.count[first].Load() > 0 &&
					client.count[second].Load() > 0
			}
			client.load(t)
			eventually(t, "both nodes get requests", both)

			for _, end := range []struct {
				how    string
				signal syscall.Signal
				loses  int64 // at most
			}{{"stops", syscall.SIGTERM, p.lostOnStop()}, {"is killed", syscall.SIGKILL, workers}} {
				client.expectLost(t, 0, "before a node "+end.how)
				one.stop(t, end.signal)
				client.expectLost(t, end.loses, "when a node "+end.how)
				client.expectLost(t, 0, "after a node "+end.how)
				one = serve(t, one.addr, one.data)
				eventually(t, "the restarted node gets requests", both)
			}
			client.expectLost(t, 0, "after all restarts")
		})
	}
}

// expectLost waits three seconds, and fails the test if more than atMost requests were lost
// since the last call. It resets the counts.
func (d *proxyClient) expectLost(t *testing.T, atMost int64, when string) {
	t.Helper()
	time.Sleep(3 * time.Second)
	succeeded := d.count[first].Swap(0) + d.count[second].Swap(0)
	if n := d.count[lost].Swap(0); n > atMost || succeeded == 0 {
		t.Errorf("%s: %d requests were lost, %d succeeded", when, n, succeeded)
	}
}

// workers is the number of concurrent requests.
const workers = 16

// The outcomes of a request. The nodes have different databases, so only the first node knows
// the root key.
const (
	first = iota
	second
	lost
)

// proxyClient calls the nodes through the proxy, with the root key of the first.
type proxyClient struct {
	url, rootKey string
	client       *http.Client
	count        [3]atomic.Int64 // requests by outcome
	errors       sync.Map        // the errors of lost requests
}

func newProxyClient(t *testing.T, addr, rootKey string) *proxyClient {
	_, port, _ := net.SplitHostPort(addr)
	d := &proxyClient{url: "https://localhost:" + port, rootKey: rootKey,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: workers,
			DialContext: (&net.Dialer{Timeout: time.Second}).DialContext,
		}}}
	t.Cleanup(func() {
		d.client.CloseIdleConnections()
		d.errors.Range(func(err, _ any) bool { t.Log("lost request:", err); return true })
	})
	return d
}

// post calls an operation. The caller closes the body.
func (d *proxyClient) post(operation, body string) (*http.Response, error) {
	r, err := http.NewRequest(http.MethodPost, d.url+"/v2/"+operation, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + d.rootKey},
		"Content-Type": {"application/json"}, "X-Forwarded-For": {forgedAddress}}
	return d.client.Do(r)
}

// forgedAddress is the client address that the requests claim.
const forgedAddress = "198.51.100.7"

// verify verifies an unknown key and returns which node responded.
func (d *proxyClient) verify() int {
	res, err := d.post("keys.verifyKey", `{"key":"sk_unknown"}`)
	if err != nil {
		d.errors.Store(err.Error(), nil)
		return lost
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	switch {
	case res.StatusCode == http.StatusOK:
		return first
	case res.StatusCode == http.StatusUnauthorized && res.Header.Get("X-Request-Id") != "":
		return second
	}
	d.errors.Store(res.Status, nil)
	return lost
}

// load sends requests from all workers until the test ends.
func (d *proxyClient) load(t *testing.T) {
	var group sync.WaitGroup
	end := make(chan struct{})
	for range workers {
		group.Go(func() {
			for {
				select {
				case <-end:
					return
				case <-time.After(time.Millisecond):
				}
				d.count[d.verify()].Add(1)
			}
		})
	}
	t.Cleanup(func() { close(end); group.Wait() })
}

// hidesPrivatePaths checks that the proxy serves only the API and its description, however
// a path is written.
func hidesPrivatePaths(t *testing.T, d *proxyClient) {
	t.Helper()
	get := func(path string) (status int, body string) {
		t.Helper()
		res, err := d.client.Get(d.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("X-Request-Id") != "" {
			return res.StatusCode, "from a node: " + string(text)
		}
		return res.StatusCode, string(text)
	}
	for _, path := range []string{"/reference", "/openapi.json", "/openapi.yaml", "/v2/liveness"} {
		if status, body := get(path); status != http.StatusOK {
			t.Errorf("%s responds with %d: %.200s", path, status, body)
		}
	}
	for _, path := range []string{
		"/metrics", "/%6detrics", "//metrics", "/health/ready", "/health/live", "/",
	} {
		if status, body := get(path); status != http.StatusNotFound ||
			strings.HasPrefix(body, "from a node") {
			t.Errorf("%s responds with %d: %.200s", path, status, body)
		}
	}
	// Whether the proxy or the node refuses these is the proxy's choice.
	for _, path := range []string{"/v2/../metrics", "/v2/%2e%2e/metrics", "/v2/..%2fmetrics"} {
		if status, body := get(path); status < 400 || strings.Contains(body, "latchkey_") {
			t.Errorf("%s responds with %d: %.200s", path, status, body)
		}
	}
}

// ignoresForgedAddress checks that a client cannot choose the address that the node records
// in its audit log.
func ignoresForgedAddress(t *testing.T, d *proxyClient) {
	t.Helper()
	var logs struct {
		Data []struct {
			RemoteIP string `json:"remoteIp"`
		}
	}
	eventually(t, "the first node creates an API", func() bool {
		res, err := d.post("apis.createApi", `{"name":"an api"}`)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	eventually(t, "the first node lists the audit record", func() bool {
		res, err := d.post("auditLogs.listAuditLogs", `{"event":"api.create"}`)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK && json.NewDecoder(res.Body).Decode(&logs) == nil &&
			len(logs.Data) > 0
	})
	if ip := logs.Data[0].RemoteIP; ip == forgedAddress || ip == "" {
		t.Errorf("the node recorded the address %q", ip)
	}
}
