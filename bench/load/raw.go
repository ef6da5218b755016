package load

import (
	"bytes"
	"fmt"
	"io"
	"net"
)

// Raw is a connection that always sends the same bytes: a TCP echo, or one command of a protocol
// such as
// that of Redis.
type Raw struct {
	conn       net.Conn
	send, want []byte
	got        []byte
}

// DialRaw connects to a host:port. Do sends the bytes and expects exactly want.
func DialRaw(addr string, send, want []byte) (*Raw, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Raw{conn: conn, send: send, want: want, got: make([]byte, len(want))}, nil
}

// Do sends the bytes and checks the response.
func (c *Raw) Do() (kind int, err error) {
	if _, err := c.conn.Write(c.send); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c.conn, c.got); err != nil {
		return 0, err
	}
	if !bytes.Equal(c.got, c.want) {
		return 0, fmt.Errorf("load: response %q, want %q", c.got, c.want)
	}
	return 0, nil
}

// Close closes the connection. A Do in progress fails.
func (c *Raw) Close() error { return c.conn.Close() }
