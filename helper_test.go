package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkeyhq/latchkey"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rootKey is what the tests' clients send.
const rootKey = "unkey_sesame"

// service is a service as its clients see it: it does what it is asked, once for
// an Idempotency-Key if it honors those, and on the way there or back goes
// wrong as planned. It is a RoundTripper, so no socket is needed.
type service struct {
	honors bool
	plan   []fault // what happens to the first requests, one after another; the rest are answered
	last   fault   // what happens to all others

	mu       sync.Mutex
	sends    int             // how many requests arrived
	done     int             // how often something was done
	answered map[string]bool // the Idempotency-Keys of what was done
	requests []*http.Request
	bodies   []string
}

// fault is what goes wrong with a request.
type fault string

const (
	fine       fault = ""
	undialed   fault = "no connection"
	lostBefore fault = "lost before it was read"
	lostAfter  fault = "lost after it was done"
	slow       fault = "done, but not answered in time"
	broken500  fault = "500 before it was done"
	late500    fault = "500 after it was done"
	proxy502   fault = "502 of a proxy, after it was done"
	busy503    fault = "503 with Retry-After before it was done"
	late503    fault = "503 after it was done"
	busy429    fault = "429 with Retry-After"
	garbled    fault = "200 with half an answer, after it was done"
)

var faults = []fault{
	fine, undialed, lostBefore, lostAfter, slow, broken500, late500, proxy502, busy503, late503,
	busy429, garbled,
}

// RoundTrip is the service and the way to it and back.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err // as net/http does
	}
	f := s.arrive(r)
	switch f {
	case undialed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	case lostBefore:
		return nil, io.ErrUnexpectedEOF
	case broken500:
		return s.answer(r, 500, problem(500), "")
	case busy503:
		return s.answer(r, 503, problem(503), "1")
	case busy429:
		return s.answer(r, 429, problem(429), "1")
	}
	s.do(r)
	switch f {
	case lostAfter:
		return nil, io.ErrUnexpectedEOF
	case slow:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case late500:
		return s.answer(r, 500, problem(500), "")
	case late503:
		return s.answer(r, 503, problem(503), "")
	case proxy502:
		return response(r, 502, "<html>Bad Gateway</html>"), nil
	case garbled:
		return response(r, 200, `{"meta":{"requestId":"req_1"},"da`), nil
	}
	return s.answer(r, 200, answerTo(r), "")
}

// arrive takes note of a request and says what will go wrong with it.
func (s *service) arrive(r *http.Request) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	f := s.last
	if s.sends < len(s.plan) {
		f = s.plan[s.sends]
	}
	s.sends++
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
	return f
}

func (s *service) do(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if s.honors && key != "" {
		if s.answered[key] {
			return
		}
		if s.answered == nil {
			s.answered = map[string]bool{}
		}
		s.answered[key] = true
	}
	s.done++
}

func (s *service) answer(
	r *http.Request, status int, body, retryAfter string,
) (*http.Response, error) {
	res := response(r, status, body)
	res.Header.Set("Content-Type", "application/json")
	if s.honors {
		res.Header.Set("Latchkey-Honors", "Idempotency-Key")
	}
	if retryAfter != "" {
		res.Header.Set("Retry-After", retryAfter)
	}
	return res, nil
}

func response(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// answerTo is an answer that the operation's method is content with.
func answerTo(r *http.Request) string {
	data := `{"valid":true,"code":"VALID","success":true}`
	if strings.Contains(r.URL.Path, ".list") {
		return `{"meta":{"requestId":"req_1"},"data":[],"pagination":{"hasMore":false}}`
	}
	return `{"meta":{"requestId":"req_1"},"data":` + data + `}`
}

func problem(status int) string {
	return fmt.Sprintf(
		`{"meta":{"requestId":"req_%[1]d"},"error":{"title":"T","detail":"D","status":%[1]d,
		"type":"https://unkey.com/docs/errors/unkey/application/some_error"}}`,
		status,
	)
}

// client returns a client of the service.
func (s *service) client(t testing.TB, change ...func(*latchkey.Config)) *latchkey.Client {
	t.Helper()
	cfg := latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: rootKey, HTTPClient: &http.Client{Transport: s},
	}
	for _, c := range change {
		c(&cfg)
	}
	return newClient(t, cfg)
}

func newClient(t testing.TB, cfg latchkey.Config) *latchkey.Client {
	t.Helper()
	if cfg.RootKey == "" && cfg.RootKeyFunc == nil {
		cfg.RootKey = rootKey
	}
	c, err := latchkey.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// The calls that stand for all others: one that reads, one that writes, one
// that counts.
var calls = map[string]func(context.Context, *latchkey.Client, ...latchkey.CallOption) error{
	"read": func(ctx context.Context, c *latchkey.Client, opts ...latchkey.CallOption) error {
		_, err := c.APIs.Get(ctx, latchkey.GetAPIRequest{APIID: "api_1"}, opts...)
		return err
	},
	"write": func(ctx context.Context, c *latchkey.Client, opts ...latchkey.CallOption) error {
		_, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "an api"}, opts...)
		return err
	},
	"settle": func(ctx context.Context, c *latchkey.Client, opts ...latchkey.CallOption) error {
		r := latchkey.SettleReservationRequest{ReservationID: "res_1"}
		_, err := c.Budgets.Settle(ctx, r, opts...)
		return err
	},
	"count": func(ctx context.Context, c *latchkey.Client, opts ...latchkey.CallOption) error {
		_, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: "sk_open"}, opts...)
		return err
	},
}

// same fails the test unless got is want.
func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// inBubble runs a test in which time passes only while everybody waits.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// remaining returns how long a context will still last, if it ends by itself.
func remaining(ctx context.Context) (time.Duration, bool) {
	deadline, ok := ctx.Deadline()
	return time.Until(deadline), ok
}

func itoa(n int) string { return strconv.Itoa(n) }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fromMemory answers every request in the same way.
var fromMemory = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
	return response(r, 200, answerTo(r)), nil
})}
