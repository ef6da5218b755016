package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
)

// HTTP is one kept connection that speaks just as much HTTP/1.1 as a load
// generator needs: it reads the status, the length or the chunks, and the body,
// and allocates nothing once it is warm, so that on a small machine the cores
// are left to the server.
type HTTP struct {
	conn net.Conn
	in   *bufio.Reader
	next func() *Request
	body []byte // of the last answer
}

// DialHTTP connects to a host:port and will send what next returns.
func DialHTTP(addr string, next func() *Request) (*HTTP, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &HTTP{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), next: next}, nil
}

// Do sends the next request, reads its answer and checks it.
func (c *HTTP) Do() (kind int, err error) {
	r := c.next()
	if _, err := c.conn.Write(r.Bytes); err != nil {
		return r.Kind, err
	}
	status, err := c.answer()
	if err != nil {
		return r.Kind, err
	}
	return r.Kind, r.check(status, c.body)
}

// Close closes the connection; a Do under way fails.
func (c *HTTP) Close() error { return c.conn.Close() }

// unknown is the length of a body whose header names none.
const unknown = -1

// chunked is the length of a body that comes in chunks.
const chunked = -2

// answer reads an answer, its body into c.body, and returns its status.
func (c *HTTP) answer() (int, error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	status, err := parseStatus(line)
	if err != nil {
		return 0, err
	}
	length := unknown
	for {
		line, err := c.line()
		if err != nil {
			return 0, err
		}
		if len(line) == 0 {
			break
		}
		if n, ok := parseLength(line); ok {
			length = n
		}
	}
	c.body = c.body[:0]
	switch length {
	case unknown:
		return 0, errors.New("load: the answer has no length")
	case chunked:
		return status, c.chunks()
	}
	return status, c.read(length)
}

// line reads a line without its end. It is valid until the next read.
func (c *HTTP) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), err
}

// read adds n bytes to the body.
func (c *HTTP) read(n int) error {
	had := len(c.body)
	c.body = slices.Grow(c.body, n)[:had+n]
	_, err := io.ReadFull(c.in, c.body[had:])
	return err
}

// chunks reads a body in chunks. Trailers are not expected.
func (c *HTTP) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil {
			return fmt.Errorf("load: the size of a chunk: %w", err)
		}
		if err := c.read(int(n)); err != nil {
			return err
		}
		if end, err := c.line(); err != nil {
			return err
		} else if len(end) > 0 {
			return fmt.Errorf("load: a chunk ends in %q", end)
		}
		if n == 0 {
			return nil
		}
	}
}

// parseStatus reads the status of a line like "HTTP/1.1 200 OK".
func parseStatus(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	if !bytes.HasPrefix(line, []byte("HTTP/1.")) || len(rest) < 3 {
		return 0, fmt.Errorf("load: not an answer of HTTP/1: %q", line)
	}
	status, ok := parseNumber(rest[:3])
	if !ok {
		return 0, fmt.Errorf("load: not a status: %q", line)
	}
	return status, nil
}

// parseLength returns the length that a header line tells of, if it does.
func parseLength(line []byte) (int, bool) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		return parseNumber(value)
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		return chunked, bytes.EqualFold(value, []byte("chunked"))
	}
	return 0, false
}

// parseNumber reads at most nine decimal digits. strconv would allocate, for
// the sake of its errors.
func parseNumber(digits []byte) (n int, ok bool) {
	if len(digits) == 0 || len(digits) > 9 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}
