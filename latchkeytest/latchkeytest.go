// Package latchkeytest gives each test a real, empty service, which ends with the
// test and whose clock the test controls.
//
//	func TestExpiredKeysAreRefused(t *testing.T) {
//		s := latchkeytest.New(t)
//		key := s.NewKey(latchkey.CreateKeyRequest{Expires: latchkey.At(s.Clock.Now().Add(time.Hour))})
//		s.Clock.Advance(2 * time.Hour)
//		v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
//		// v.Code is latchkey.Expired
//	}
//
// Tests that need only the results of verifications can use [Static] instead of a
// service.
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

// Service is a real service that runs until the end of a test.
type Service struct {
	// Client calls the service in process, as the operator, who has every permission.
	Client *latchkey.Client
	// Transport carries calls in process, for clients with another root key:
	// latchkey.New(latchkey.Config{Transport: s.Transport, RootKey: …}).
	Transport latchkey.Transport
	// URL is the address of the service over HTTP.
	URL string
	// Handler is the HTTP handler at URL, for tests that need no network.
	Handler http.Handler
	// RootKey is the root key of the operator.
	RootKey string
	// Clock is the time of the service. It stands still unless the test moves it.
	Clock *Clock

	t   testing.TB
	api func() string // the API of keys whose request names none
}

// New starts a service on a temporary folder. It stops when the test ends.
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

// NewAPI creates an API and returns its id. It fails the test on an error.
func (s *Service) NewAPI(r latchkey.CreateAPIRequest) string {
	s.t.Helper()
	made, err := s.Client.APIs.Create(s.t.Context(), r)
	if err != nil {
		s.t.Fatalf("latchkeytest: %v", err)
	}
	return made.APIID
}

// NewKey creates a key and returns its id and its secret. Without an APIID the key
// belongs to an API that all such keys share. It fails the test on an error.
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
