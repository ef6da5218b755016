package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

const (
	// openBody is how much of a body the server reads before it looks the root key up.
	// A longer body takes memory only on behalf of a valid root key.
	openBody = 16 << 10
	// bodyMemory is what longer bodies take together at most.
	bodyMemory = 64 << 20

	// A long body must arrive at minBodyRate in bytes per second, after bodyGrace, and
	// within maxBodyTime in any case.
	minBodyRate = 16 << 10
	bodyGrace   = 10 * time.Second
	maxBodyTime = time.Minute
)

// readBody reads the body of the request. If the rest of a body is not worth reading, the
// connection is closed after the response.
func (x *exchange) readBody(call *engine.Call) error {
	if x.r.ContentLength <= openBody {
		if more, err := x.readUpTo(openBody, x.r.Body); err != nil || !more {
			return err
		}
	}
	err := x.readLongBody(call, x.op.MaxBody())
	if err != nil {
		x.w.Header()["Connection"] = []string{"close"}
	}
	return err
}

// readLongBody reads a body that is longer than openBody, or the rest of one. The call
// must come with a valid root key, and there must be memory for the body.
func (x *exchange) readLongBody(call *engine.Call, limit int64) error {
	if x.r.ContentLength > limit || limit <= openBody {
		return bodyTooLarge(limit)
	}
	if err := x.checkHeaders(); err != nil {
		return err
	}
	workspace, err := x.Engine.Authenticate(x.r.Context(), x.op, call)
	if err != nil {
		return err
	}
	size := x.r.ContentLength
	if size < 0 {
		size = limit // nobody knows how long it will be
	}
	if !x.bodies.take(workspace, size) {
		return tooManyBodies
	}
	x.taken = taken{workspace, size}
	x.body.Grow(int(size) - x.body.Len() + bytes.MinRead)
	more, err := x.readUpTo(limit, x.paced())
	if more {
		return bodyTooLarge(limit)
	}
	return err
}

// readUpTo appends to the body what from has, until the body is longer than limit bytes.
// It reports whether it is. It does the work of http.MaxBytesReader with a reader that
// the exchange has already.
func (x *exchange) readUpTo(limit int64, from io.Reader) (more bool, err error) {
	x.limited = io.LimitedReader{R: from, N: limit + 1 - int64(x.body.Len())}
	_, err = x.body.ReadFrom(&x.limited)
	switch {
	case err == nil:
		return x.limited.N <= 0, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, bodyTimeout
	}
	return false, bodyUnreadable
}

// pacedReader reads a body that must keep arriving: each read moves the deadline of the
// connection by as much time as minBodyRate allows for the bytes that came before.
type pacedReader struct {
	body       io.Reader
	connection *http.ResponseController
	begun      time.Time
	received   int64
}

// paced returns a reader of the body of the request that must keep arriving.
func (x *exchange) paced() *pacedReader {
	return &pacedReader{
		body: x.r.Body, connection: http.NewResponseController(x.w), begun: time.Now(),
	}
}

func (p *pacedReader) Read(to []byte) (int, error) {
	earned := time.Duration(p.received) * time.Second / minBodyRate
	deadline := p.begun.Add(min(bodyGrace+earned, maxBodyTime))
	_ = p.connection.SetReadDeadline(deadline) // a response recorder has no deadlines
	n, err := p.body.Read(to)
	p.received += int64(n)
	return n, err
}

// bodyBudget is the memory for long bodies. No workspace gets more than half of it, so
// that its slow requests can't keep those of others out.
type bodyBudget struct {
	mu    sync.Mutex
	total int64
	used  int64
	by    map[string]int64 // what each workspace uses
}

// taken is what an exchange has taken of the budget.
type taken struct {
	workspace string
	bytes     int64
}

func newBodyBudget(total int64) *bodyBudget {
	return &bodyBudget{total: total, by: map[string]int64{}}
}

// take reserves n bytes for a workspace, and reports whether there are as many.
func (b *bodyBudget) take(workspace string, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.total || b.by[workspace]+n > b.total/2 {
		return false
	}
	b.used += n
	b.by[workspace] += n
	return true
}

// give returns what was taken.
func (b *bodyBudget) give(t taken) {
	if t.bytes == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= t.bytes
	if b.by[t.workspace] -= t.bytes; b.by[t.workspace] == 0 {
		delete(b.by, t.workspace)
	}
}
