package test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// gateProxy says how to run one of the examples in deploy/gate.
type gateProxy struct {
	program, file string
	run           []string          // arguments, as of proxy
	replace       []string          // in the example, in addition to addresses
	with          map[string]string // other files of the example, by what names them
}

var gateProxies = []gateProxy{
	{program: "haproxy", file: "haproxy.cfg", run: []string{"-db", "-f", "FILE"},
		with: map[string]string{"/etc/haproxy/latchkey.lua": "latchkey.lua"}},
	{program: "nginx", file: "nginx.conf",
		run:     []string{"-c", "FILE", "-e", "stderr", "-g", "daemon off; pid DIR/pid;"},
		replace: []string{"listen 443", "listen ADDRESS"}},
	{program: "caddy", file: "Caddyfile", run: []string{"run", "--adapter", "caddyfile", "--config", "FILE"},
		replace: []string{"docs.example.com {", "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" +
			"https://localhost:PORT {\n\tbind 127.0.0.1\n\ttls CERTIFICATE CERTIFICATE"}},
	{program: "envoy", file: "envoy.yaml", run: []string{"-c", "FILE", "--use-dynamic-base-id", "-l", "warning"},
		replace: []string{
			"address: 0.0.0.0, port_value: 443", "address: 127.0.0.1, port_value: PORT",
			"address: 10.0.0.11, port_value: 7070", "address: 127.0.0.1, port_value: NODEPORT",
			"address: 10.0.0.21, port_value: 8080", "address: 127.0.0.1, port_value: SERVICEPORT",
		}},
	{program: "traefik", file: "traefik.yaml",
		run: []string{"--entryPoints.websecure.address=ADDRESS", "--providers.file.filename=FILE"},
		replace: []string{"Host(`docs.example.com`)", "PathPrefix(`/`)", "tls: {}\n",
			"tls: {}\n", "http:\n  routers:", "tls:\n  stores:\n    default:\n      defaultCertificate:\n" +
				"        certFile: CERTIFICATE\n        keyFile: CERTIFICATE\n\nhttp:\n  routers:"}},
}

// gateSite is an example between clients and a service.
type gateSite struct {
	*gateNode
	addr    string
	service *protectedService
	proxy   *process
}

// start starts the example. edit changes the configuration further.
func (p gateProxy) start(t *testing.T, node *gateNode, edit ...string) *gateSite {
	t.Helper()
	program := need(t, p.program)
	s := &gateSite{gateNode: node, addr: freeAddress(t), service: newProtectedService(t)}
	host := func(addr string) (port string) { _, port, _ = net.SplitHostPort(addr); return port }
	values := strings.NewReplacer("ADDRESS", s.addr, "NODEPORT", host(node.addr),
		"SERVICEPORT", host(s.service.addr), "PORT", host(s.addr), "CERTIFICATE", certificate(t))
	replace := []string{"/etc/latchkey/tls.pem", "CERTIFICATE", "bind :443", "bind ADDRESS",
		"10.0.0.11:7070", node.addr, "10.0.0.21:8080", s.service.addr, "/auth/docs", "/auth/" + p.program}
	for named, file := range p.with {
		replace = append(replace, named, write(t, file, readExample(t, file)))
	}
	replace = append(append(replace, p.replace...), edit...)
	for i := 1; i < len(replace); i += 2 {
		replace[i] = values.Replace(replace[i])
	}
	configured := strings.NewReplacer(replace...).Replace(readExample(t, p.file))
	if strings.Contains(configured, "10.0.0.") {
		t.Fatalf("%s was not fully adapted:\n%s", p.file, configured)
	}
	run := arguments(p.run, write(t, p.file, configured), t.TempDir())
	for i := range run {
		run[i] = values.Replace(run[i])
	}
	s.proxy = start(t, program, run...)
	eventually(t, "the proxy responds", func() bool {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	return s
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../gate", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// protectedService returns the headers that it got.
type protectedService struct {
	addr  string
	calls atomic.Int64
}

func newProtectedService(t *testing.T) *protectedService {
	s := new(protectedService)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/forbidden" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(received{r.Method, r.RequestURI, r.Header, len(body)})
	}))
	t.Cleanup(server.Close)
	s.addr = server.Listener.Addr().String()
	return s
}

// received is what the service got.
type received struct {
	Method, URI string
	Header      http.Header
	Body        int
}

// gateNode is a node with a gate for each proxy.
type gateNode struct {
	*node
	root, api string
}

// newGateNode creates an API and starts a node that has the gates.
func newGateNode(t *testing.T) *gateNode {
	t.Helper()
	n := &gateNode{node: serve(t, freeAddress(t), t.TempDir())}
	n.root = n.rootKey(t)
	n.api = n.call(t, "apis.createApi", `{"name":"documents"}`)["apiId"].(string)
	n.stop(t, syscall.SIGKILL)
	gates := map[string]any{}
	for _, p := range gateProxies {
		gates[p.program] = map[string]any{"api": n.api, "permissions": "docs.read"}
	}
	gates["nginx"].(map[string]any)["fold"] = true
	gates["nginx"].(map[string]any)["requestId"] = "Latchkey-Request-Id"
	gates["envoy"].(map[string]any)["okStatus"] = 200
	text, err := json.Marshal(map[string]any{"gates": gates})
	if err != nil {
		t.Fatal(err)
	}
	n.node = serve(t, n.addr, n.data, "--config", write(t, "latchkey.json", string(text)))
	return n
}

// call calls an operation that must succeed and returns its data.
func (n *gateNode) call(t *testing.T, operation, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequest("POST", "http://"+n.addr+"/v2/"+operation, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + n.root}, "Content-Type": {"application/json"}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Data map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d, %v", operation, res.StatusCode, err)
	}
	return answer.Data
}

// key creates a key.
func (n *gateNode) key(t *testing.T, fields string) (id, key string) {
	t.Helper()
	made := n.call(t, "keys.createKey", `{"apiId":"`+n.api+`"`+fields+`}`)
	return made["keyId"].(string), made["key"].(string)
}

// left returns the credits of a key.
func (n *gateNode) left(t *testing.T, key string) int {
	t.Helper()
	v := n.call(t, "keys.verifyKey", `{"key":"`+key+`","credits":{"cost":0}}`)
	return int(v["credits"].(float64))
}

// reply is the response of a site.
type reply struct {
	status   int
	header   http.Header
	received // if the service responded
}

// send sends a request through the proxy, with header lines as they are.
func (s *gateSite) send(t *testing.T, method, path, body string, lines ...string) reply {
	t.Helper()
	r, err := s.trySend(method, path, body, lines...)
	if err != nil {
		t.Fatalf("%s %s %q: %v", method, path, lines, err)
	}
	return r
}

func (s *gateSite) trySend(method, path, body string, lines ...string) (reply, error) {
	conn, err := tls.Dial("tcp", s.addr, &tls.Config{
		InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	text := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	for _, line := range lines {
		text += line + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if _, err := io.WriteString(conn, text+"\r\n"+body); err != nil {
		return reply{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	r := reply{status: res.StatusCode, header: res.Header}
	content, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == http.StatusOK {
		err = json.NewDecoder(bytes.NewReader(content)).Decode(&r.received)
	}
	return r, err
}

// TestGatesBehindProxies runs each example in deploy/gate with the real proxy in front of a
// service.
func TestGatesBehindProxies(t *testing.T) {
	node := sync.OnceValue(func() *gateNode { return newGateNode(t) })
	for _, p := range gateProxies {
		t.Run(p.program, func(t *testing.T) {
			need(t, p.program)
			s := p.start(t, node())
			eventually(t, "the proxy serves TLS", func() bool {
				r, err := s.trySend("GET", "/", "")
				return err == nil && r.status == http.StatusUnauthorized
			})
			s.admitsOnlyValidKeys(t)
			s.chargesOnce(t)
			s.showsOnlyTheTruth(t)
			s.refusesWithoutLatchkey(t, p)
		})
	}
}

const mayRead = `,"permissions":["docs.read"]`

func (s *gateSite) admitsOnlyValidKeys(t *testing.T) {
	t.Helper()
	_, good := s.key(t, mayRead)
	_, spent := s.key(t, mayRead+`,"credits":{"remaining":0}`)
	_, powerless := s.key(t, "")
	_, limited := s.key(t, mayRead+
		`,"ratelimits":[{"name":"requests","limit":1,"duration":3600000,"autoApply":true}]`)
	for _, c := range []struct {
		name   string
		status int
		lines  []string
	}{
		{"a good key", 200, []string{"Authorization: Bearer " + good}},
		{"no key", 401, nil},
		{"a bad key", 401, []string{"Authorization: Bearer sk_unknown"}},
		{"a password", 401, []string{"Authorization: Basic dXNlcjpwdw=="}},
		{"two keys", 401, []string{"Authorization: Bearer " + good, "Authorization: Bearer " + good}},
		{"two keys, the first one bad", 401,
			[]string{"Authorization: Bearer sk_unknown", "Authorization: Bearer " + good}},
		{"an underscore", 401, []string{"Authorization_: Bearer " + good}},
		{"no credits", 402, []string{"Authorization: Bearer " + spent}},
		{"no permission", 403, []string{"Authorization: Bearer " + powerless}},
		{"the first within the limit", 200, []string{"Authorization: Bearer " + limited}},
		{"one over the limit", 429, []string{"Authorization: Bearer " + limited}},
	} {
		before := s.service.calls.Load()
		r := s.send(t, "GET", "/a/b?c=d", "", c.lines...)
		reached := s.service.calls.Load() > before
		if r.status != c.status && !(c.status == 401 && r.status == 400) ||
			reached != (c.status == 200) {
			t.Errorf("%s: %d, reached the service: %v", c.name, r.status, reached)
		}
		switch {
		case c.status == 200 && r.URI != "/a/b?c=d":
			t.Errorf("%s: the service got %q", c.name, r.URI)
		case r.status == 401 && !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer"):
			t.Errorf("%s: %v", c.name, r.header)
		case c.status == 429 && r.header.Get("Retry-After") == "":
			t.Errorf("%s: no Retry-After: %v", c.name, r.header)
		}
	}
	r := s.send(t, "POST", "/upload", strings.Repeat("x", 100_000), "Authorization: Bearer "+good,
		"Content-Type: text/plain")
	if r.status != 200 || r.Method != "POST" || r.Body != 100_000 {
		t.Errorf("a POST: %d, %s with %d bytes", r.status, r.Method, r.Body)
	}
	if r := s.send(t, "GET", "/forbidden", "", "Authorization: Bearer "+good); r.status != 403 {
		t.Errorf("the service's own 403: %d", r.status)
	}
}

func (s *gateSite) chargesOnce(t *testing.T) {
	t.Helper()
	_, key := s.key(t, mayRead+`,"credits":{"remaining":100}`)
	for _, path := range []string{"/", "/index.html", "/a/", "/forbidden", "//x", "/a/%2e%2e/b"} {
		before := s.left(t, key)
		// A client can't choose the id of its request.
		r := s.send(t, "GET", path, "", "Authorization: Bearer "+key, "Latchkey-Request-Id: r1",
			"X-Request-Id: r1", "Idempotency-Key: r1")
		if charged := before - s.left(t, key); charged != 1 {
			t.Errorf("%s: %d, charged %d times", path, r.status, charged)
		}
	}
}

// showsOnlyTheTruth sends headers that look like those of the gate, in many spellings.
func (s *gateSite) showsOnlyTheTruth(t *testing.T) {
	t.Helper()
	id, owned := s.key(t, mayRead+`,"externalId":"user_1","credits":{"remaining":1000}`)
	other, nobodys := s.key(t, mayRead)
	names := []string{
		"Latchkey-Key-Id", "Latchkey-External-Id", "Latchkey-Permissions", "Latchkey-Credits",
		"Latchkey-Status",
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same requests in every run
	spell := func(name string) string {
		text := []byte(name)
		for i, c := range text {
			switch {
			case c == '-' && random.IntN(3) == 0:
				text[i] = '_'
			case c != '-' && random.IntN(2) == 0:
				text[i] = c ^ 0x20
			}
		}
		return string(text)
	}
	for i := range 40 {
		key, want := owned, map[string]string{"latchkey-key-id": id, "latchkey-external-id": "user_1",
			"latchkey-permissions": "docs.read"}
		if i%2 == 1 {
			key, want = nobodys, map[string]string{"latchkey-key-id": other, "latchkey-permissions": "docs.read"}
		}
		lines := []string{"Authorization: Bearer " + key}
		for range 1 + random.IntN(4) {
			name := names[random.IntN(len(names))]
			value := []string{"root", "", "admin, root", "  x  ", id}[random.IntN(5)]
			for range 1 + random.IntN(2) {
				lines = append(lines, spell(name)+":"+value)
			}
		}
		random.Shuffle(len(lines), func(a, b int) { lines[a], lines[b] = lines[b], lines[a] })
		r := s.send(t, "GET", "/", "", lines...)
		if r.status == 400 {
			continue // a proxy can refuse such headers
		}
		if r.status != 200 {
			t.Fatalf("%q: %d", lines, r.status)
		}
		got := map[string][]string{}
		for name, values := range r.Header {
			plain := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			if strings.HasPrefix(plain, "latchkey") || plain == "authorization" {
				got[plain] = append(got[plain], values...)
			}
		}
		for name, values := range got {
			if name == "latchkey-credits" && i%2 == 0 && len(values) == 1 && values[0] != "root" {
				continue // it changes
			}
			if len(values) == 1 && values[0] == "" {
				continue // cleared
			}
			if len(values) != 1 || want[name] != values[0] {
				t.Errorf("%q: the service got %s %q", lines, name, values)
			}
		}
		for name, value := range want {
			if len(got[name]) != 1 || got[name][0] != value {
				t.Errorf("%q: the service got %s %q", lines, name, got[name])
			}
		}
	}
}

// refusesWithoutLatchkey starts the example again, with an address where nobody listens.
func (s *gateSite) refusesWithoutLatchkey(t *testing.T, p gateProxy) {
	t.Helper()
	nobody := &gateNode{node: &node{addr: freeAddress(t)}}
	down := p.start(t, nobody)
	_, key := s.key(t, mayRead)
	eventually(t, "the proxy refuses", func() bool {
		r, err := down.trySend("GET", "/", "", "Authorization: Bearer "+key)
		return err == nil && r.status >= 500
	})
	if n := down.service.calls.Load(); n != 0 {
		t.Errorf("%d requests reached the service", n)
	}
}

// TestInternalRedirectsOfNginxAreChargedOnce: nginx asks again for the index file of a folder.
func TestInternalRedirectsOfNginxAreChargedOnce(t *testing.T) {
	for _, p := range gateProxies {
		if p.program != "nginx" {
			continue
		}
		need(t, p.program)
		folder := t.TempDir()
		for _, dir := range []string{folder, filepath.Dir(folder)} { // for nginx's workers
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(folder, "index.html")
		if err := os.WriteFile(file, []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
		s := p.start(t, newGateNode(t), "proxy_pass http://service;", "root "+folder+"; index index.html;")
		_, key := s.key(t, mayRead+`,"credits":{"remaining":100}`)
		for _, path := range []string{"/", "/index.html"} {
			before := s.left(t, key)
			r := s.send(t, "GET", path, "", "Authorization: Bearer "+key)
			if charged := before - s.left(t, key); r.status != 200 || charged != 1 {
				t.Errorf("%s: %d, charged %d times", path, r.status, charged)
			}
		}
	}
}
