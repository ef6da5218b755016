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

// BareAnswer is what the bare handler always answers: 300 bytes of JSON.
var BareAnswer = `{"data":"` + strings.Repeat("x", 289) + `"}`

// serveBare does the least that any service with a JSON API must do: it reads a
// JSON body and answers.
func serveBare(_ context.Context, listener net.Listener, _ Config) error {
	return serveHTTP(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, new(struct{ Key string })) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, BareAnswer)
	}))
}

// serveEcho sends back what it gets: the least that anything over TCP must do.
func serveEcho(_ context.Context, listener net.Listener, _ Config) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go echo(conn)
	}
}

// echo copies through a buffer in Go; io.Copy would let the kernel do it, which no service can.
func echo(conn net.Conn) {
	defer conn.Close()
	for buffer := make([]byte, 4096); ; {
		n, err := conn.Read(buffer)
		if _, fault := conn.Write(buffer[:n]); errors.Join(err, fault) != nil {
			return
		}
	}
}
