package load

import (
	"bytes"
	"fmt"
	"io"
	"net"
)

// Raw is a connection on which every exchange is the same bytes: a TCP echo, or
// one command of a protocol like that of Redis.
type Raw struct {
	conn       net.Conn
	send, want []byte
	got        []byte
}

// DialRaw connects to a host:port, will send the bytes and expect exactly want.
func DialRaw(addr string, send, want []byte) (*Raw, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Raw{conn: conn, send: send, want: want, got: make([]byte, len(want))}, nil
}

// Do sends the bytes and reads the answer.
func (c *Raw) Do() (kind int, err error) {
	if _, err := c.conn.Write(c.send); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c.conn, c.got); err != nil {
		return 0, err
	}
	if !bytes.Equal(c.got, c.want) {
		return 0, fmt.Errorf("load: answered %q in place of %q", c.got, c.want)
	}
	return 0, nil
}

// Close closes the connection; a Do under way fails.
func (c *Raw) Close() error { return c.conn.Close() }
