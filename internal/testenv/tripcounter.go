package testenv

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// TripCounter forwards connections to a PostgreSQL server and counts the round trips of those
// that change something.
type TripCounter struct {
	Addr  string // host:port, for clients to connect to
	trips atomic.Int64
}

// CountTrips starts a counter in front of a server at target, a host:port. It ends with the
// test. Clients must connect without TLS.
func CountTrips(t testing.TB, target string) *TripCounter {
	t.Helper()
	listener, err := freeListener()
	must(t, err)
	c := &TripCounter{Addr: listener.Addr().String()}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				return
			}
			go forward(client, server, func() { _, _ = io.Copy(client, server) })
			go forward(client, server, func() { _ = c.count(server, client) })
		}
	}()
	return c
}

// forward closes both ends when the work is done.
func forward(client, server net.Conn, work func()) {
	work()
	_ = client.Close()
	_ = server.Close()
}

// Trips returns how many round trips there were since the last call. A round trip ends with
// the message Query or Sync of the protocol. The connections counted are those that have
// locked the heads of the logs.
func (c *TripCounter) Trips() int64 { return c.trips.Swap(0) }

// count forwards the messages of a client.
func (c *TripCounter) count(server io.Writer, client io.Reader) error {
	changes := false
	for header := make([]byte, 4); ; header = make([]byte, 5) { // the first one has no type
		if _, err := io.ReadFull(client, header); err != nil {
			return err
		}
		size := int(binary.BigEndian.Uint32(header[len(header)-4:]))
		body := make([]byte, size-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		changes = changes || bytes.Contains(body, []byte("FROM heads WHERE id = 1 FOR UPDATE"))
		if kind := header[0]; changes && len(header) == 5 && (kind == 'Q' || kind == 'S') {
			c.trips.Add(1)
		}
		if _, err := server.Write(append(header, body...)); err != nil {
			return err
		}
	}
}
