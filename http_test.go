package latchkey_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

// TestGoTransportRepeatsNothingUnsafe: Go's own HTTP transport takes an
// Idempotency-Key for leave to send a request again when a kept connection
// breaks. A service that ignores the key must not get it twice.
func TestGoTransportRepeatsNothingUnsafe(t *testing.T) {
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		listener := listen(t)
		var requests atomic.Int32
		go serveOneThenDrop(listener, &requests)
		c := newClient(t, latchkey.Config{
			BaseURL: "http://" + listener.Addr().String(), RootKey: rootKey,
		})
		if err := calls["read"](t.Context(), c); err != nil { // leaves a connection to be reused
			t.Fatal(err)
		}
		err := calls["write"](t.Context(), c, latchkey.WithHeader(header, "once"))
		var lost *url.Error
		if !errors.As(err, &lost) {
			t.Errorf("got %v", err)
		}
		same(t, header+": requests", requests.Load(), 2)
	}
}

// TestAResetAfterTheRequestIsNotSentAgain: the service has read the request and
// may have done it, so a reset connection must not make the client repeat a call
// that could take effect twice.
func TestAResetAfterTheRequestIsNotSentAgain(t *testing.T) {
	for _, call := range []string{"write", "count"} {
		listener := listen(t)
		var requests atomic.Int32
		go resetAfterReading(listener, &requests)
		c := newClient(t, latchkey.Config{
			BaseURL: "http://" + listener.Addr().String(), RootKey: rootKey,
			Retry: latchkey.RetryPolicy{MaxAttempts: 5, Initial: time.Millisecond},
		})
		err := calls[call](t.Context(), c)
		var reset *net.OpError
		if !errors.As(err, &reset) || reset.Op == "dial" {
			t.Errorf("%s: got %v, want an error of an open connection", call, err)
		}
		same(t, call+": requests", requests.Load(), 1)
	}
}

// resetAfterReading reads the one request of each connection and resets it.
func resetAfterReading(listener net.Listener, requests *atomic.Int32) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // Close sends RST, not FIN
		conn.Close()
	}
}

// serveOneThenDrop answers the first request of each connection, and after the
// second has arrived drops the connection.
func serveOneThenDrop(listener net.Listener, requests *atomic.Int32) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		reader := bufio.NewReader(conn)
		for n := 0; n < 2; n++ {
			r, err := http.ReadRequest(reader)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
			if n == 0 {
				body := answerTo(r)
				_, _ = io.WriteString(
					conn,
					"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+
						itoa(len(body))+"\r\n\r\n"+body,
				)
			}
		}
		conn.Close()
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// front stands before a real Latchkey and loses answers: the next few requests
// are done, and then their connection is dropped.
type front struct {
	http.Handler
	lose  atomic.Int32
	sends atomic.Int32
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.sends.Add(1)
	if f.lose.Add(-1) < 0 {
		f.Handler.ServeHTTP(w, r)
		return
	}
	f.Handler.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// start returns a Latchkey behind a front, and a client that has had an answer.
func start(t *testing.T) (*latchkeytest.Service, *front, *latchkey.Client) {
	t.Helper()
	s := latchkeytest.New(t)
	f := &front{Handler: s.Handler}
	door := httptest.NewServer(f)
	t.Cleanup(door.Close)
	c := newClient(t, latchkey.Config{
		BaseURL: door.URL, RootKey: s.RootKey, Retry: latchkey.RetryPolicy{Initial: time.Millisecond},
	})
	if _, err := c.Liveness(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, f, c
}

// TestLatchkeyDoesLostCallsOnce loses the first two answers of calls to a real
// service. All succeed with the third, and have been done once.
func TestLatchkeyDoesLostCallsOnce(t *testing.T) {
	s, f, c := start(t)
	ctx := t.Context()
	lose := func() { f.lose.Store(2); f.sends.Store(0) }

	lose()
	api, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "an api"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sends", f.sends.Load(), 3)
	apis, err := s.Client.APIs.List(ctx, latchkey.ListAPIsRequest{})
	if err != nil || len(apis.Data) != 1 || apis.Data[0].ID != api.APIID {
		t.Errorf("%d APIs, %v", len(apis.Data), err)
	}

	key := s.NewKey(latchkey.CreateKeyRequest{
		APIID: api.APIID, Credits: &latchkey.Credits{Remaining: latchkey.Int(100)},
	})
	lose()
	left, err := c.Keys.UpdateCredits(ctx, latchkey.UpdateCreditsRequest{
		KeyID: key.KeyID, Operation: latchkey.DecrementCredits, Value: latchkey.Int(10),
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "credits after a decrement", left.Remaining.Or(-1), 90)

	lose()
	v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key},
		latchkey.WithIdempotencyKey("verification 1"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "credits after a verification", v.Credits.Or(-1), 89)
	same(t, "sends", f.sends.Load(), 3)

	lose()
	if _, err = c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key}); err == nil {
		t.Error("a verification that may have spent was sent again")
	}
	same(t, "sends without a key", f.sends.Load(), 1)
}

// TestRepeatsThatOvertakeAreDoneOnce: the connection breaks, and the request
// that went over it reaches the service only after its repetition.
func TestRepeatsThatOvertakeAreDoneOnce(t *testing.T) {
	s := latchkeytest.New(t)
	var late *http.Request
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && late == nil {
			body, _ := io.ReadAll(r.Body)
			late = r.Clone(context.WithoutCancel(r.Context()))
			late.Body = io.NopCloser(strings.NewReader(string(body)))
			panic(http.ErrAbortHandler)
		}
		s.Handler.ServeHTTP(w, r)
	}))
	defer door.Close()
	c := newClient(t, latchkey.Config{
		BaseURL: door.URL, RootKey: s.RootKey, Retry: latchkey.RetryPolicy{Initial: 1},
	})
	if _, err := c.Liveness(t.Context()); err != nil {
		t.Fatal(err)
	}
	api, err := c.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "an api"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, late)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), api.APIID) {
		t.Errorf("the late request is answered with %d %s", w.Code, w.Body)
	}
	apis, err := s.Client.APIs.List(t.Context(), latchkey.ListAPIsRequest{})
	if err != nil || len(apis.Data) != 1 {
		t.Errorf("%d APIs, %v", len(apis.Data), err)
	}
}

// TestRefusedConnectionsAreTriedAgain: a service that restarts costs its
// clients a moment, not an error, even for calls that write.
func TestRefusedConnectionsAreTriedAgain(t *testing.T) {
	s := latchkeytest.New(t)
	door := testenv.NewProxy(t, strings.TrimPrefix(s.URL, "http://"))
	c := newClient(t, latchkey.Config{
		BaseURL: "http://" + door.Addr, RootKey: s.RootKey,
		Retry: latchkey.RetryPolicy{
			MaxAttempts: 500, Initial: 20 * time.Millisecond, Max: 20 * time.Millisecond,
		},
	})
	door.Refuse()
	time.AfterFunc(50*time.Millisecond, door.Accept)
	var info latchkey.ResponseInfo
	_, err := c.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "an api"},
		latchkey.WithResponse(&info))
	if err != nil || info.Attempts < 2 {
		t.Errorf("after %d attempts: %v", info.Attempts, err)
	}
}

// TestBothTransportsAgree: in process and over HTTP, calls have the same answers
// and are refused for the same reasons, whatever the request is made of.
func TestBothTransportsAgree(t *testing.T) {
	s := latchkeytest.New(t)
	overHTTP := newClient(t, latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey})
	key := s.NewKey(richKey())
	for _, request := range []struct {
		operation string
		body      any
	}{
		{"keys.verifyKey", latchkey.VerifyKeyRequest{Key: key.Key}},
		{"keys.verifyKey", &latchkey.VerifyKeyRequest{Key: "nobody's"}},
		{"keys.verifyKey", map[string]any{"key": key.Key, "permissions": "docs.read AND"}},
		{"keys.verifyKey", latchkey.VerifyKeyRequest{}},
		{"keys.getKey", latchkey.GetKeyRequest{KeyID: key.KeyID}},
		{"keys.getKey", map[string]any{"keyId": key.KeyID, "more": 1}},
		{"keys.getKey", latchkey.GetKeyRequest{KeyID: "key_none"}},
		{"keys.setRoles", latchkey.SetRolesRequest{KeyID: key.KeyID}},
		{"keys.addRoles", latchkey.AddRolesRequest{KeyID: key.KeyID}},
		{
			"keys.updateKey",
			latchkey.UpdateKeyRequest{
				KeyID: key.KeyID, Permissions: latchkey.Set[[]string](nil), Name: latchkey.Null[string](),
			},
		},
		{"ratelimit.multiLimit", latchkey.MultiLimitRequest(nil)},
		{"apis.listApis", latchkey.ListAPIsRequest{}},
		{"apis.listApis", nil},
		{"identities.deleteIdentity", latchkey.DeleteIdentityRequest{Identity: "user_1"}},
		{"no.operation", struct{}{}},
		{"liveness", latchkey.LivenessRequest{}},
	} {
		direct, directPage, directErr := s.Client.Call(t.Context(), request.operation, request.body)
		wire, wirePage, wireErr := overHTTP.Call(t.Context(), request.operation, request.body)
		what := request.operation
		if request.operation != "identities.deleteIdentity" { // which can be done once
			same(t, what+": error", outcome(directErr), outcome(wireErr))
		}
		same(t, what+": data", string(direct), string(wire))
		same(t, what+": page", directPage != nil, wirePage != nil)
	}
}

// TestForgottenFieldsAreRefused: a field that the API requires, and whose zero
// value means something, is not sent as zero when a program forgets it.
func TestForgottenFieldsAreRefused(t *testing.T) {
	s := latchkeytest.New(t)
	overHTTP := newClient(t, latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey})
	key := s.NewKey(latchkey.CreateKeyRequest{})
	for transport, c := range map[string]*latchkey.Client{
		"in process": s.Client, "over HTTP": overHTTP,
	} {
		_, err := c.Keys.Reroll(t.Context(), latchkey.RerollKeyRequest{KeyID: key.KeyID})
		wantFault(t, transport, err, "expiration is required")
		_, err = c.Identities.Create(t.Context(), latchkey.CreateIdentityRequest{
			ExternalID: "user_1", Ratelimits: []latchkey.RatelimitRequest{
				{Name: "requests", Limit: 1, Duration: latchkey.Per(time.Minute)},
			},
		})
		wantFault(t, transport, err, "autoApply is required")
	}
}

// wantFault fails the test unless err is a 400 that says what is wrong.
func wantFault(t *testing.T, what string, err error, message string) {
	t.Helper()
	if !errors.Is(err, latchkey.ErrBadRequest) || !strings.Contains(err.Error(), message) {
		t.Errorf("%s: got %v, want %q", what, err, message)
	}
}

// outcome is what an error says but its request id, which differs, and the
// words for a path that doesn't exist.
func outcome(err error) string {
	var refused *latchkey.Error
	if !errors.As(err, &refused) {
		return itoa(b2i(err != nil))
	}
	text := itoa(refused.Status) + " " + refused.Type + " " + itoa(refused.Attempts)
	for _, f := range refused.Faults {
		text += "; " + f.Location + " " + f.Message
	}
	return text
}

func richKey() latchkey.CreateKeyRequest {
	return latchkey.CreateKeyRequest{
		Name: "a <key>", ExternalID: "user_1", Meta: `{"plan":"pro & more"}`, Permissions: []string{
			"docs.read", "docs.write",
		},
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: 1000, Duration: latchkey.Per(time.Hour),
				AutoApply: latchkey.Set(false),
			},
		},
	}
}

var _ latchkey.Transport = (*embedded.Service)(nil)
