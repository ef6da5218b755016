package latchkey_test

import (
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

// BenchmarkClient measures whole calls through the client: over loopback HTTP,
// where service and client share the machine, and in process.
func BenchmarkClient(b *testing.B) {
	s := latchkeytest.New(b)
	key := s.NewKey(latchkey.CreateKeyRequest{
		Name: "a key", ExternalID: "user_1", Permissions: []string{"docs.read"},
	})
	overHTTP := newClient(b, latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey})
	for _, way := range []struct {
		name   string
		client *latchkey.Client
	}{{"http", overHTTP}, {"embedded", s.Client}} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v, err := way.client.Keys.Verify(b.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
				if err != nil || !v.Valid {
					b.Fatal(v.Code, err)
				}
			}
		})
	}
}

// BenchmarkClientAlone measures the client's own part of a call over HTTP, with
// a service that answers from memory.
func BenchmarkClientAlone(b *testing.B) {
	client := newClient(b, latchkey.Config{
		BaseURL: "http://latchkey.test", RootKey: rootKey, HTTPClient: fromMemory,
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := calls["count"](b.Context(), client); err != nil {
			b.Fatal(err)
		}
	}
}
