package servers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// BareResponse is the response of the bare handler: 300 bytes of JSON.
var BareResponse = `{"data":"` + strings.Repeat("x", 289) + `"}`

// serveBare does the minimum of a service with a JSON API: it reads a JSON body and writes a
// response.
func serveBare(_ context.Context, listener net.Listener, _ Config) error {
	return serveHTTP(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, new(struct{ Key string })) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, BareResponse)
	}))
}

// serveStatic responds with 204 to everything: the minimum of a service that a proxy asks.
func serveStatic(_ context.Context, listener net.Listener, _ Config) error {
	return serveHTTP(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
}

// serveEcho returns its input: the minimum of a service over TCP.
func serveEcho(_ context.Context, listener net.Listener, _ Config) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go echo(conn)
	}
}

// echo copies through a buffer in Go. io.Copy would let the kernel copy, which no service can do.
func echo(conn net.Conn) {
	defer conn.Close()
	for buffer := make([]byte, 4096); ; {
		n, err := conn.Read(buffer)
		if _, fault := conn.Write(buffer[:n]); errors.Join(err, fault) != nil {
			return
		}
	}
}
