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

// proxy is how one of the examples in deploy/proxy is checked and run.
type proxy struct {
	program, file string
	check, run    []string // arguments; FILE is the configuration, DIR a folder of the test
}

var proxies = []proxy{
	{"haproxy", "haproxy.cfg", []string{"-c", "-f", "FILE"}, []string{"-db", "-f", "FILE"}},
	{"nginx", "nginx.conf", []string{"-t", "-c", "FILE", "-e", "stderr", "-g", "pid DIR/pid;"}, []string{"-c", "FILE", "-e", "stderr", "-g", "daemon off; pid DIR/pid;"}},
	{"caddy", "Caddyfile", []string{"validate", "--adapter", "caddyfile", "--config", "FILE"}, []string{"run", "--adapter", "caddyfile", "--config", "FILE"}},
	{"envoy", "envoy.yaml", []string{"--mode", "validate", "-c", "FILE"}, []string{"-c", "FILE", "--use-dynamic-base-id", "-l", "warning"}},
}

// stops returns how many requests may be lost when a node stops: none, but for
// nginx, whose free edition doesn't ask for readiness and so sends to a node
// until its port is closed.
func (p proxy) stops() int64 {
	if p.program == "nginx" {
		return workers
	}
	return 0
}

// arguments fills in the places of arguments.
func arguments(args []string, file, dir string) []string {
	filled := make([]string, len(args))
	for i, arg := range args {
		filled[i] = strings.NewReplacer("FILE", file, "DIR", dir).Replace(arg)
	}
	return filled
}

// configure writes the example so that it works here: it listens at addr, with a
// certificate of the test, before two nodes. A third is one that is never there.
func (p proxy) configure(t *testing.T, addr string, nodes [2]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../proxy", p.file))
	if err != nil {
		t.Fatal(err)
	}
	pem, nobody := certificate(t), freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	places := []string{
		"bind :443", "bind " + addr, "listen 443", "listen " + addr, "address: 0.0.0.0, port_value: 443", "address: 127.0.0.1, port_value: " + port,
		"latchkey.example.com {", "{\n\tadmin off\n\tauto_https disable_redirects\n}\nhttps://localhost:" + port + " {\n\tbind 127.0.0.1\n\ttls " + pem + " " + pem,
		"/etc/latchkey/tls.pem", pem,
	}
	for i, node := range []string{nodes[0], nodes[1], nobody} {
		host, port, _ := net.SplitHostPort(node)
		address := "10.0.0.1" + string(rune('1'+i))
		places = append(places, address+":7070", node, "address: "+address+", port_value: 7070", "address: "+host+", port_value: "+port)
	}
	configured := strings.NewReplacer(places...).Replace(string(text))
	if strings.Contains(configured, "10.0.0.1") || !strings.Contains(configured, pem) {
		t.Fatalf("%s was not understood:\n%s", p.file, configured)
	}
	return write(t, p.file, configured)
}

// TestProxyExamplesAreValid asks each proxy's own check.
func TestProxyExamplesAreValid(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			program := need(t, p.program)
			file := p.configure(t, freeAddress(t), [2]string{freeAddress(t), freeAddress(t)})
			if out, err := exec.Command(program, arguments(p.check, file, t.TempDir())...).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestProxiesPutNodesOutAndBackIn runs each example before two real nodes under load. A
// node that stops or is killed takes no more with it than what was under way to
// it, and one that comes back gets work again. A node that stops answers all
// that has reached it; what a proxy sends into an idle connection at the moment
// when the node closes it is lost, for nobody can know whether it arrived.
func TestProxiesPutNodesOutAndBackIn(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			t.Parallel()
			program := need(t, p.program)
			one, two := serve(t, freeAddress(t), t.TempDir()), serve(t, freeAddress(t), t.TempDir())
			addr := freeAddress(t)
			start(t, program, arguments(p.run, p.configure(t, addr, [2]string{one.addr, two.addr}), t.TempDir())...)

			door := newDoor(t, addr, one.rootKey(t))
			eventually(t, "the proxy answers", func() bool { return door.ask() != lost })
			noMetrics(t, door)
			ownAddress(t, door)
			both := func() bool { return door.answered[first].Load() > 0 && door.answered[second].Load() > 0 }
			door.load(t)
			eventually(t, "both nodes get work", both)

			for _, end := range []struct {
				how    string
				signal syscall.Signal
				loses  int64 // at most
			}{{"stops", syscall.SIGTERM, p.stops()}, {"is killed", syscall.SIGKILL, workers}} {
				door.lose(t, 0, "before a node "+end.how)
				one.stop(t, end.signal)
				door.lose(t, end.loses, "when a node "+end.how)
				door.lose(t, 0, "after a node "+end.how)
				one = serve(t, one.addr, one.data)
				eventually(t, "a node that came back gets work", both)
			}
			door.lose(t, 0, "when all is well again")
		})
	}
}

// lose watches for three seconds and fails if more requests than that were lost
// since it was last asked. It begins to count anew.
func (d *door) lose(t *testing.T, atMost int64, when string) {
	t.Helper()
	time.Sleep(3 * time.Second)
	answered := d.answered[first].Swap(0) + d.answered[second].Swap(0)
	if n := d.answered[lost].Swap(0); n > atMost || answered == 0 {
		t.Errorf("%s: %d requests were lost, %d answered", when, n, answered)
	}
}

// workers is how many requests are under way at a time.
const workers = 16

// Who answered: the nodes have root keys of their own, so a root key of the
// first is known there alone.
const (
	first = iota
	second
	lost
)

// door asks the nodes through the proxy.
type door struct {
	url, rootKey string
	client       *http.Client
	answered     [3]atomic.Int64
	why          sync.Map // what came instead of an answer
}

func newDoor(t *testing.T, addr, rootKey string) *door {
	_, port, _ := net.SplitHostPort(addr)
	d := &door{url: "https://localhost:" + port, rootKey: rootKey, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: workers,
		DialContext: (&net.Dialer{Timeout: time.Second}).DialContext,
	}}}
	t.Cleanup(func() {
		d.client.CloseIdleConnections()
		d.why.Range(func(why, _ any) bool { t.Log("instead of an answer:", why); return true })
	})
	return d
}

// post calls an operation. The caller closes the body.
func (d *door) post(operation, body string) (*http.Response, error) {
	r, err := http.NewRequest(http.MethodPost, d.url+"/v2/"+operation, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + d.rootKey}, "Content-Type": {"application/json"}, "X-Forwarded-For": {claimed}}
	return d.client.Do(r)
}

// claimed is where the requests say that they come from.
const claimed = "198.51.100.7"

// ask verifies a key that nobody knows and tells who answered.
func (d *door) ask() int {
	answer, err := d.post("keys.verifyKey", `{"key":"sk_unknown"}`)
	if err != nil {
		d.why.Store(err.Error(), nil)
		return lost
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	switch {
	case answer.StatusCode == http.StatusOK:
		return first
	case answer.StatusCode == http.StatusUnauthorized && answer.Header.Get("X-Request-Id") != "":
		return second
	}
	d.why.Store(answer.Status, nil)
	return lost
}

// load asks again and again, from many at once, until the test ends.
func (d *door) load(t *testing.T) {
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
				d.answered[d.ask()].Add(1)
			}
		})
	}
	t.Cleanup(func() { close(end); group.Wait() })
}

// noMetrics: figures of the inside are not for the outside.
func noMetrics(t *testing.T, d *door) {
	t.Helper()
	answer, err := d.client.Get(d.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound || answer.Header.Get("X-Request-Id") != "" {
		t.Errorf("/metrics answers %s, and a node was asked: %v", answer.Status, answer.Header.Get("X-Request-Id") != "")
	}
}

// ownAddress: nobody can choose the address that a node takes the request to
// come from, which is part of its audit log.
func ownAddress(t *testing.T, d *door) {
	t.Helper()
	var logs struct {
		Data []struct {
			RemoteIP string `json:"remoteIp"`
		}
	}
	eventually(t, "the first node makes an API", func() bool {
		answer, err := d.post("apis.createApi", `{"name":"an api"}`)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	eventually(t, "the first node tells who made it", func() bool {
		answer, err := d.post("auditLogs.listAuditLogs", `{"event":"api.create"}`)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK && json.NewDecoder(answer.Body).Decode(&logs) == nil && len(logs.Data) > 0
	})
	if ip := logs.Data[0].RemoteIP; ip == claimed || ip == "" {
		t.Errorf("the node takes the request to come from %q", ip)
	}
}
