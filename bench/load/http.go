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

// HTTP is one persistent connection with the subset of HTTP/1.1 that a load generator needs: it
// reads
// the status, the length or the chunks, and the body. It allocates nothing after the first
// requests, to
// leave the CPU of a small machine to the server.
type HTTP struct {
	conn net.Conn
	in   *bufio.Reader
	next func() *Request
	body []byte // of the last response
}

// DialHTTP connects to a host:port. next returns the requests to send.
func DialHTTP(addr string, next func() *Request) (*HTTP, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &HTTP{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), next: next}, nil
}

// Do sends the next request, reads its response and checks it.
func (c *HTTP) Do() (kind int, err error) {
	r := c.next()
	if _, err := c.conn.Write(r.Bytes); err != nil {
		return r.Kind, err
	}
	status, err := c.readResponse()
	if err != nil {
		return r.Kind, err
	}
	return r.Kind, r.check(status, c.body)
}

// Close closes the connection. A Do in progress fails.
func (c *HTTP) Close() error { return c.conn.Close() }

// unknown is the length of a body without a length.
const unknown = -1

// chunked is the length of a chunked body.
const chunked = -2

// readResponse reads a response, its body into c.body, and returns its status.
func (c *HTTP) readResponse() (int, error) {
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
		return 0, errors.New("load: the response has no length")
	case chunked:
		return status, c.chunks()
	}
	return status, c.read(length)
}

// line reads a line without its line break. The line is valid until the next read.
func (c *HTTP) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), err
}

// read appends n bytes to the body.
func (c *HTTP) read(n int) error {
	had := len(c.body)
	c.body = slices.Grow(c.body, n)[:had+n]
	_, err := io.ReadFull(c.in, c.body[had:])
	return err
}

// chunks reads a chunked body. It does not support trailers.
func (c *HTTP) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil {
			return fmt.Errorf("load: chunk size: %w", err)
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

// parseStatus parses the status of a line such as "HTTP/1.1 200 OK".
func parseStatus(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	if !bytes.HasPrefix(line, []byte("HTTP/1.")) || len(rest) < 3 {
		return 0, fmt.Errorf("load: not an HTTP/1 response: %q", line)
	}
	status, ok := parseNumber(rest[:3])
	if !ok {
		return 0, fmt.Errorf("load: not a status: %q", line)
	}
	return status, nil
}

// parseLength returns the body length of a header line, if it has one.
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

// parseNumber parses at most nine decimal digits. strconv would allocate for its errors.
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
