package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// clients is how many connections ask side by side.
const clients = 16

// BenchmarkVerify measures keys.verifyKey over loopback HTTP with connections
// that are kept, and beside it the least that any HTTP service must do: read a
// JSON body and answer 300 bytes. The two take turns, so that a noisy machine
// troubles both alike. of-bare is how much of the bare handler's rate is left.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	api := w.ok("apiId", "apis.createApi", `{"name":"an api"}`)
	key := w.ok("key", "keys.createKey", `{"apiId":"`+api+`","name":"a key","meta":{"plan":"pro"},"permissions":["docs.read"]}`)
	if code := w.ok("code", "keys.verifyKey", `{"key":"`+key+`"}`); code != "VALID" {
		b.Fatalf("the key is %s", code)
	}
	bare := httptest.NewServer(http.HandlerFunc(answerBare))
	defer bare.Close()

	request := []byte("POST /v2/keys.verifyKey HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: application/json\r\n" +
		"User-Agent: bench\r\nAuthorization: Bearer " + w.root + "\r\nContent-Length: " + strconv.Itoa(len(`{"key":""}`)+len(key)) + "\r\n\r\n" + `{"key":"` + key + `"}`)
	verifying, idle := newLoad(b, w.url, request), newLoad(b, bare.URL, request)
	for b.Loop() {
		const turn = 100 // requests of each client
		verifying.run(turn)
		idle.run(turn)
	}
	b.ReportMetric(verifying.rate(), "verify/s")
	b.ReportMetric(idle.rate(), "bare/s")
	b.ReportMetric(verifying.rate()/idle.rate(), "of-bare")
	b.ReportMetric(0, "ns/op") // a turn of both together says nothing
}

// answerBare is the bare handler.
func answerBare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, new(struct{ Key string })) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, bareAnswer)
}

var bareAnswer = `{"data":"` + strings.Repeat("x", 289) + `"}`

// load is clients that send one request again and again. They do as little as
// possible, so that what is measured is the server.
type load struct {
	b       *testing.B
	request []byte
	conns   []*bufio.ReadWriter
	sent    int
	took    time.Duration
}

func newLoad(b *testing.B, url string, request []byte) *load {
	l := &load{b: b, request: request}
	for range clients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		l.conns = append(l.conns, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)))
	}
	l.run(1)
	l.sent, l.took = 0, 0
	return l
}

// run lets every client send n requests.
func (l *load) run(n int) {
	begun := time.Now()
	var group sync.WaitGroup
	for _, conn := range l.conns {
		group.Go(func() {
			for range n {
				if err := exchangeOnce(conn, l.request); err != nil {
					l.b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	l.sent += n * len(l.conns)
	l.took += time.Since(begun)
}

func (l *load) rate() float64 { return float64(l.sent) / l.took.Seconds() }

// exchangeOnce sends a request and reads its answer, which must be a 200 with a
// length. It parses no more of it than that.
func exchangeOnce(conn *bufio.ReadWriter, request []byte) error {
	_, _ = conn.Write(request) // Flush reports the error
	if err := conn.Flush(); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := conn.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && string(line) != "HTTP/1.1 200 OK\r\n" {
			return fmt.Errorf("answered %q", line)
		}
		if digits, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(digits))
		}
		if len(line) == 2 {
			_, err = conn.Discard(length)
			return err
		}
	}
}
