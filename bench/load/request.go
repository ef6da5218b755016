package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Request is an encoded request with its expected response.
type Request struct {
	Bytes  []byte // the encoded request
	Kind   int    // the histogram of its latency
	Status int    // the expected HTTP status
	Want   []byte // text that the body must contain; nil for any body
}

// Post returns a JSON request over HTTP/1.1 that expects a 200 whose body contains want. If token
// is not
// empty, the request has an Authorization header.
func Post(path, token, body, want string) *Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: "+
		"application/json\r\n", path)
	fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	b.WriteString("\r\n" + body)
	return &Request{Bytes: b.Bytes(), Status: 200, Want: []byte(want)}
}

// As returns a copy of the request with another kind.
func (r *Request) As(kind int) *Request {
	c := *r
	c.Kind = kind
	return &c
}

// Source returns a function that returns the requests of one connection. A request is valid until
// the next
// call.
type Source func(conn int) func() *Request

// Same always sends the same request.
func Same(r *Request) Source {
	return func(int) func() *Request { return func() *Request { return r } }
}

// Digits is the placeholder for the number of [Numbered].
const Digits = "########"

// Numbered sends a request with a uniformly random number below n in place of Digits. The numbers
// are the
// same in every run. A request without Digits panics.
func Numbered(r *Request, n int) Source { return NumberedFrom(r, func() int { return 0 }, n) }

// NumberedFrom is Numbered with numbers from first() on. first can change over time.
func NumberedFrom(r *Request, first func() int, n int) Source {
	at := bytes.Index(r.Bytes, []byte(Digits))
	if at < 0 {
		panic("load: the request does not contain Digits")
	}
	return func(conn int) func() *Request {
		own, draw := *r, draws(conn)
		own.Bytes = bytes.Clone(r.Bytes)
		return func() *Request {
			putDigits(own.Bytes[at:at+len(Digits)], first()+draw.IntN(n))
			return &own
		}
	}
}

// Number returns what [Numbered] writes for n.
func Number(n int) string {
	digits := make([]byte, len(Digits))
	putDigits(digits, n)
	return string(digits)
}

// putDigits writes n to b in decimal with leading zeros.
func putDigits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// AnyOf sends uniformly random requests of a list.
func AnyOf(list []*Request) Source {
	return func(conn int) func() *Request {
		draw := draws(conn)
		return func() *Request { return list[draw.IntN(len(list))] }
	}
}

// Part is a source and its share of a mix, relative to the sum of all shares.
type Part struct {
	Share  int
	Source Source
}

// Mix sends from several sources, in proportion to their shares.
func Mix(parts ...Part) Source {
	sum := 0
	for _, p := range parts {
		sum += p.Share
	}
	return func(conn int) func() *Request {
		draw, next := draws(conn), make([]func() *Request, len(parts))
		for i, p := range parts {
			next[i] = p.Source(conn)
		}
		return func() *Request {
			n := draw.IntN(sum)
			for i, p := range parts {
				if n -= p.Share; n < 0 {
					return next[i]()
				}
			}
			panic("load: unreachable: n is below the sum of all shares")
		}
	}
}

// draws returns the random number generator of one connection. It is the same in every run.
func draws(conn int) *rand.Rand { return rand.New(rand.NewPCG(1, uint64(conn))) }

// check returns an error if a response is not the expected one. The error contains the start of the
// response.
func (r *Request) check(status int, body []byte) error {
	if status != r.Status {
		return fmt.Errorf("load: status %d, want %d: %s", status, r.Status, beginning(body))
	}
	if !bytes.Contains(body, r.Want) {
		return fmt.Errorf("load: the response lacks %s: %s", strconv.Quote(string(r.Want)),
			beginning(body))
	}
	return nil
}

func beginning(body []byte) string { return string(body[:min(len(body), 300)]) }
