// Package latchkeytest gives tests a real service: empty, their own, gone when
// they end, and with a clock that they move.
//
//	func TestExpiredKeysAreRefused(t *testing.T) {
//		s := latchkeytest.New(t)
//		key := s.NewKey(latchkey.CreateKeyRequest{Expires: latchkey.At(s.Clock.Now().Add(time.Hour))})
//		s.Clock.Advance(2 * time.Hour)
//		v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
//		// v.Code is latchkey.Expired
//	}
//
// Tests that only need to know what their code does with a verification take
// [Static], which is none.
package latchkeytest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// Service is a real service that lives as long as a test.
type Service struct {
	// Client calls the service in process, as the operator, who may do anything.
	Client *latchkey.Client
	// Transport carries calls in process, for clients with another root key:
	// latchkey.New(latchkey.Config{Transport: s.Transport, RootKey: …}).
	Transport latchkey.Transport
	// URL is where the service answers over HTTP.
	URL string
	// Handler is what answers there, for tests that need no network.
	Handler http.Handler
	// RootKey is the operator's root key.
	RootKey string
	// Clock is the service's time. It stands still unless the test moves it.
	Clock *Clock

	t   testing.TB
	api func() string // the API of keys that name none
}

// New starts a service on a folder of its own. When the test ends, so does the
// service.
func New(t testing.TB) *Service {
	t.Helper()
	s := &Service{t: t, Clock: newClock()}
	s.api = sync.OnceValue(func() string { return s.NewAPI(latchkey.CreateAPIRequest{Name: "test"}) })
	service, err := embedded.Open(t.Context(), embedded.Config{
		Data: t.TempDir(), Now: s.Clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("latchkeytest: %v", err)
	}
	door := httptest.NewServer(service.Handler)
	t.Cleanup(func() {
		door.Close()
		if err := service.Close(context.Background()); err != nil {
			t.Errorf("latchkeytest: %v", err)
		}
	})
	s.Client, s.Transport, s.RootKey = service.Client, service, service.RootKey
	s.URL, s.Handler = door.URL, service.Handler
	return s
}

// NewAPI makes an API and returns its id. It ends the test if that fails.
func (s *Service) NewAPI(r latchkey.CreateAPIRequest) string {
	s.t.Helper()
	made, err := s.Client.APIs.Create(s.t.Context(), r)
	if err != nil {
		s.t.Fatalf("latchkeytest: %v", err)
	}
	return made.APIID
}

// NewKey makes a key and returns its id and its secret. Where the request names
// no API, the key belongs to one that all such keys share. It ends the test if
// that fails.
func (s *Service) NewKey(r latchkey.CreateKeyRequest) latchkey.CreatedKey {
	s.t.Helper()
	if r.APIID == "" {
		r.APIID = s.api()
	}
	made, err := s.Client.Keys.Create(s.t.Context(), r)
	if err != nil {
		s.t.Fatalf("latchkeytest: %v", err)
	}
	return made
}
