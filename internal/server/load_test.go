package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The load of the benchmarks comes from another process, this test program
// again, so that the processor time of this one is the server's alone.

// loadEnv is the environment variable that makes the program send load.
const loadEnv = "LATCHKEY_TEST_LOAD"

const (
	clients         = 16 // connections that ask side by side
	requestsPerTurn = 50 // by each of them
)

// request is the call as a client writes it.
func (c hotCall) request(root string) string {
	return fmt.Sprintf("POST /v2/%s HTTP/1.1\r\nHost: localhost\r\nAccept: "+
		"application/json\r\nContent-Type: application/json\r\n"+
		"User-Agent: bench\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", c.op,
		root, len(c.body), c.body)
}

// sender is a process that sends a request again and again.
type sender struct {
	in  *json.Encoder
	out *json.Decoder
}

func startSender(b *testing.B, addr, request string) *sender {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), loadEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close() // ends it
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	s := &sender{json.NewEncoder(in), json.NewDecoder(out)}
	s.say(b, addr)
	s.say(b, request)
	return s
}

func (s *sender) say(b *testing.B, word string) {
	if err := s.in.Encode(word); err != nil {
		b.Fatal(err)
	}
}

// turn lets every client send its requests, and returns how long they took.
func (s *sender) turn(b *testing.B) (took time.Duration) {
	s.say(b, "go")
	if err := s.out.Decode(&took); err != nil {
		b.Fatal(err)
	}
	return took
}

// sendLoad is the other process: it reads where to send what, and sends a turn
// of it whenever it is told to, until its input ends.
func sendLoad() {
	var addr, request, word string
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	if in.Decode(&addr) != nil || in.Decode(&request) != nil {
		return
	}
	conns := make([]*bufio.ReadWriter, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		exitOn(err)
		conns[i] = bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	}
	for in.Decode(&word) == nil {
		begun := time.Now()
		var group sync.WaitGroup
		for _, conn := range conns {
			group.Go(func() {
				for range requestsPerTurn {
					exitOn(exchangeOnce(conn, request))
				}
			})
		}
		group.Wait()
		exitOn(out.Encode(time.Since(begun)))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// exchangeOnce sends a request and reads its answer, which must be a 200 with a
// length. It parses no more of it than that: the clients do as little as
// possible, so that what is measured is the server.
func exchangeOnce(conn *bufio.ReadWriter, request string) error {
	_, _ = conn.WriteString(request) // Flush reports the error
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
