package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serve starts a server and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// dial opens connections to a server.
func dial(t *testing.T, n int, addr string, source Source) Conns {
	t.Helper()
	conns, err := Dial(n, func(i int) (Doer, error) { return DialHTTP(addr, source(i)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conns.Close() })
	return conns
}

// TestClosedLoopCountsEveryRequest compares the counts of the generator and the server.
func TestClosedLoopCountsEveryRequest(t *testing.T) {
	var seen, named atomic.Int64
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") == "Bearer token" && string(body) == `{"name":"x"}` {
			named.Add(1)
		}
		seen.Add(1)
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	one := Post("/one", "token", `{"name":"x"}`, `"ok":true`)
	two := Post("/two", "", `{}`, `"ok":true`).As(1)
	conns := dial(t, 8, addr, Mix(Part{3, Same(one)}, Part{1, Same(two)}))
	result, err := conns.Closed(100 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if result.Count() == 0 || result.Count() != uint64(seen.Load()) ||
		result.Of(0).Count() != uint64(named.Load()) {
		t.Errorf("counted %d, of them %d of kind 0; the server saw %d and %d", result.Count(),
			result.Of(0).Count(), seen.Load(), named.Load())
	}
	if share := float64(result.Of(1).Count()) / float64(result.Count()); share < 0.1 ||
		share > 0.4 {
		t.Errorf("a quarter of the mix was %.2f of the requests", share)
	}
}

// TestOpenLoopKeepsItsRate sends to a fast server.
func TestOpenLoopKeepsItsRate(t *testing.T) {
	var seen atomic.Int64
	addr := serve(t, func(http.ResponseWriter, *http.Request) { seen.Add(1) })
	result, err := dial(t, 4, addr, Same(Post("/", "", "{}", ""))).Open(500, 400*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if result.Count() != 200 || seen.Load() != 200 {
		t.Errorf("counted %d, the server saw %d, 200 were due", result.Count(), seen.Load())
	}
	if result.Took < 350*time.Millisecond {
		t.Errorf("what was due within 400 ms was sent in %v", result.Took)
	}
}

// TestStallCountsForEveryDelayedRequest stalls the server once for 300 of 1,000 ms. At a fixed rate
// about a third of the requests are due during the stall, so the 90th percentile must show it. In a
// closed loop the stall counts for only one request per connection.
func TestStallCountsForEveryDelayedRequest(t *testing.T) {
	const stall = 300 * time.Millisecond
	measure := func(run func(Conns) (*Result, error)) *Histogram {
		var gate sync.RWMutex
		addr := serve(t, func(http.ResponseWriter, *http.Request) {
			gate.RLock()
			defer gate.RUnlock()
		})
		conns := dial(t, 2, addr, Same(Post("/", "", "{}", "")))
		timer := time.AfterFunc(200*time.Millisecond, func() {
			gate.Lock()
			time.Sleep(stall)
			gate.Unlock()
		})
		defer timer.Stop()
		result, err := run(conns)
		if err != nil {
			t.Fatal(err)
		}
		return result.Of(0)
	}
	open := measure(func(c Conns) (*Result, error) { return c.Open(500, time.Second) })
	if open.Quantile(0.9) < stall/2 {
		t.Errorf("the open loop's 90th percentile is %v though requests were due throughout a "+
			"stall of %v", open.Quantile(0.9), stall)
	}
	closed := measure(func(c Conns) (*Result, error) { return c.Closed(time.Second) })
	if closed.Quantile(0.9) > stall/2 || closed.Max() < stall/2 {
		t.Errorf("the closed loop's 90th percentile is %v, its maximum %v; this test then shows "+
			"nothing", closed.Quantile(0.9), closed.Max())
	}
}

// TestWrongResponsesFailTheRun sends to servers with unexpected responses.
func TestWrongResponsesFailTheRun(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter,
			_ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"body": func(w http.ResponseWriter, _ *http.Request) {
			_,
				_ = io.WriteString(w, `{"ok":false}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			conns := dial(t, 2, serve(t, handler), Same(Post("/", "", "{}", `"ok":true`)))
			if _, err := conns.Closed(time.Second); err == nil {
				t.Error("a closed loop accepts it")
			}
			conns = dial(t, 2, serve(t, handler), Same(Post("/", "", "{}", `"ok":true`)))
			if _, err := conns.Open(100, 100*time.Millisecond); err == nil {
				t.Error("an open loop accepts it")
			}
		})
	}
}

// TestEveryFormOfResponseIsRead covers the forms of HTTP/1.1 responses.
func TestEveryFormOfResponseIsRead(t *testing.T) {
	for wire, body := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":        "ok",
		"HTTP/1.1 200 OK\r\ncontent-length:2\r\nX: y\r\n\r\nok": "ok",
		"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n":             "",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " +
			"chunked\r\n\r\n2\r\nok\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n": "ok0123456789",
	} {
		c, err := connWith(t, wire+wire)
		for range 2 { // the second one checks that the first was read to its end
			status, fault := c.readResponse()
			if err = errors.Join(err, fault); err != nil || status != 200 ||
				string(c.body) != body {
				t.Errorf("%q: %d %q %v", wire, status, c.body, err)
			}
		}
	}
	for _, wire := range []string{
		"", "HTTP/1.1\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n",
	} {
		c, _ := connWith(t, wire)
		if status, err := c.readResponse(); err == nil {
			t.Errorf("%q is read as %d %q", wire, status, c.body)
		}
	}
}

// connWith returns a client whose server has sent wire and closed.
func connWith(t *testing.T, wire string) (*HTTP, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := DialHTTP(listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(server, wire)
	return c, errors.Join(err, server.Close())
}

// TestNumberedSendsNumbersWithinBounds counts what one connection sends.
func TestNumberedSendsNumbersWithinBounds(t *testing.T) {
	next := Numbered(Post("/", "", `{"id":"`+Digits+`"}`, ""), 10)(0)
	seen := map[string]int{}
	for range 1000 {
		_, id, _ := strings.Cut(string(next().Bytes), `"id":"`)
		seen[strings.TrimSuffix(id, `"}`)]++
	}
	for n := range 10 {
		if id := fmt.Sprintf("%08d", n); Number(n) != id || seen[id] < 50 {
			t.Errorf("%s was sent %d of 1000 times; Number gives %s", id, seen[id], Number(n))
		}
	}
	if len(seen) != 10 {
		t.Errorf("ten numbers, but sent were %v", seen)
	}
}

// TestLoopAllocatesNothing checks that a request allocates no memory.
func TestLoopAllocatesNothing(t *testing.T) {
	wire := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" +
		"Content-Length: 11\r\n\r\n" + `{"ok":true}`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	request := Post("/", "", `{"id":"`+Digits+`"}`, `"ok":true`)
	c, err := DialHTTP(listener.Addr().String(), Numbered(request, 1000)(0))
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{})
	go func() {
		defer close(serving)
		for in := make([]byte, len(request.Bytes)); ; {
			if _, err := io.ReadFull(server, in); err != nil {
				return
			}
			if _, err := server.Write(wire); err != nil {
				return
			}
		}
	}()
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := c.Do(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-serving
	if allocs > 0 {
		t.Errorf("a request allocates %v times", allocs)
	}
}
