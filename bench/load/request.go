package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Request is one exchange, ready to be sent, with what its answer must be.
type Request struct {
	Bytes  []byte // as it goes over the wire
	Kind   int    // which histogram its time goes to
	Status int    // the HTTP status that is right
	Want   []byte // what the body of the answer must contain; nil for anything
}

// Post returns a JSON request over HTTP/1.1 that expects a 200 whose body
// contains want. With a token it carries an Authorization header.
func Post(path, token, body, want string) *Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: application/json\r\n", path)
	fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	b.WriteString("\r\n" + body)
	return &Request{Bytes: b.Bytes(), Status: 200, Want: []byte(want)}
}

// As returns a copy of the request whose time counts as another kind.
func (r *Request) As(kind int) *Request {
	c := *r
	c.Kind = kind
	return &c
}

// Source decides what a connection sends: called with the connection's number,
// it returns the function that is asked for each of its requests. What that
// returns is valid until it is asked again.
type Source func(conn int) func() *Request

// Same sends one request again and again.
func Same(r *Request) Source {
	return func(int) func() *Request { return func() *Request { return r } }
}

// Digits is the place in a request that [Numbered] puts a number into.
const Digits = "########"

// Numbered sends a request with a number from 0 up to n, drawn evenly, in place
// of Digits. The draws repeat from run to run. A request without Digits panics.
func Numbered(r *Request, n int) Source { return NumberedFrom(r, func() int { return 0 }, n) }

// NumberedFrom is Numbered with numbers from a first one on, which may change
// as time goes by.
func NumberedFrom(r *Request, first func() int, n int) Source {
	at := bytes.Index(r.Bytes, []byte(Digits))
	if at < 0 {
		panic("load: the request has no place for a number")
	}
	return func(conn int) func() *Request {
		mine, draw := *r, draws(conn)
		mine.Bytes = bytes.Clone(r.Bytes)
		return func() *Request {
			putDigits(mine.Bytes[at:at+len(Digits)], first()+draw.IntN(n))
			return &mine
		}
	}
}

// Number returns what [Numbered] writes for n.
func Number(n int) string {
	digits := make([]byte, len(Digits))
	putDigits(digits, n)
	return string(digits)
}

// putDigits fills b with n in decimal, zeros in front.
func putDigits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// AnyOf sends requests of a list, drawn evenly.
func AnyOf(list []*Request) Source {
	return func(conn int) func() *Request {
		draw := draws(conn)
		return func() *Request { return list[draw.IntN(len(list))] }
	}
}

// Part is a source and its share of a mix, in parts of the sum of all shares.
type Part struct {
	Share  int
	Source Source
}

// Mix sends from several sources, each as often as its share says.
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

// draws returns the random numbers of one connection, the same in every run.
func draws(conn int) *rand.Rand { return rand.New(rand.NewPCG(1, uint64(conn))) }

// check reports an answer that is not what the request expects. It shows the
// beginning of the answer, which for an expected request holds no secret.
func (r *Request) check(status int, body []byte) error {
	if status != r.Status {
		return fmt.Errorf("load: answered %d in place of %d: %s", status, r.Status, beginning(body))
	}
	if !bytes.Contains(body, r.Want) {
		return fmt.Errorf("load: the answer lacks %s: %s", strconv.Quote(string(r.Want)), beginning(body))
	}
	return nil
}

func beginning(body []byte) string { return string(body[:min(len(body), 300)]) }
