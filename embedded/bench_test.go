package embedded

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// BenchmarkVerify measures a verification through the client, and beside it
// what any door must ask of the engine for it: the request's checks, whose root
// key it is, whether its workspace may call, and the operation. The two take
// turns, and of the turns the median counts, so that a noisy machine troubles
// both alike. of-engine is how much longer the client takes; it must stay
// below 1.3.
func BenchmarkVerify(b *testing.B) {
	for name, request := range map[string]latchkey.CreateKeyRequest{
		"plain": {},
		"rich": {
			Name: "a key", ExternalID: "user_1", Meta: `{"plan":"pro"}`, Permissions: []string{
				"docs.read", "docs.write",
			},
			Ratelimits: []latchkey.RatelimitRequest{
				{
					Name: "requests", Limit: 1 << 60, Duration: latchkey.Per(time.Hour),
					AutoApply: latchkey.Set(true),
				},
			},
		},
	} {
		b.Run(name, func(b *testing.B) { benchmarkVerify(b, request) })
	}
}

func benchmarkVerify(b *testing.B, request latchkey.CreateKeyRequest) {
	s, key := serviceWithKey(b, request)
	var engine, client []time.Duration
	for b.Loop() {
		engine = append(engine, turn(func() { directly(b, s, key) }))
		client = append(client, turn(func() {
			if v, err := s.Client.Keys.Verify(b.Context(), latchkey.VerifyKeyRequest{
				Key: key,
			}); err != nil || !v.Valid {
				b.Fatal(v.Code, err)
			}
		}))
	}
	slices.Sort(engine)
	slices.Sort(client)
	one, other := engine[len(engine)/2], client[len(client)/2]
	b.ReportMetric(float64(one)/calls, "engine-ns")
	b.ReportMetric(float64(other)/calls, "client-ns")
	b.ReportMetric(float64(other)/float64(one), "of-engine")
	b.ReportMetric(0, "ns/op") // a turn of both together says nothing
}

// BenchmarkVerifyInParallel measures verifications through the client by as many
// goroutines as there are processors. With -cpu 1,2 it shows how far a second
// processor helps: what stands in the way is the garbage of the calls, not a lock.
func BenchmarkVerifyInParallel(b *testing.B) {
	limits := []latchkey.RatelimitRequest{
		{
			Name: "requests", Limit: 1 << 60, Duration: latchkey.Per(time.Hour),
			AutoApply: latchkey.Set(true),
		},
	}
	for name, request := range map[string]latchkey.CreateKeyRequest{
		"plain": {}, "one limit": {Ratelimits: limits},
	} {
		b.Run(name, func(b *testing.B) {
			s, key := serviceWithKey(b, request)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if v, err := s.Client.Keys.Verify(b.Context(), latchkey.VerifyKeyRequest{
						Key: key,
					}); err != nil || !v.Valid {
						b.Error(v.Code, err)
					}
				}
			})
		})
	}
}

// oneIdentifier counts on a limit that is never reached.
var oneIdentifier = latchkey.LimitRequest{
	Namespace: "requests", Identifier: "user_1", Limit: 1 << 60, Duration: latchkey.Per(time.Hour),
}

// BenchmarkLimitInParallel is BenchmarkVerifyInParallel for ratelimit.limit.
func BenchmarkLimitInParallel(b *testing.B) {
	s, _ := serviceWithKey(b, latchkey.CreateKeyRequest{})
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r, err := s.Client.Ratelimits.Limit(b.Context(), oneIdentifier); err != nil || !r.Success {
				b.Error(r, err)
			}
		}
	})
}

// calls is how many calls make a turn.
const calls = 100

// turn measures a turn of calls.
func turn(call func()) time.Duration {
	begun := time.Now()
	for range calls {
		call()
	}
	return time.Since(begun)
}

// directly verifies a key without client or transport.
func directly(b *testing.B, s *Service, key string) {
	op, _ := engine.Lookup("keys.verifyKey")
	request := &latchkey.VerifyKeyRequest{Key: key}
	answer, err := s.engine.Serve(b.Context(), op, &engine.Call{
		Caller: engine.Caller{Request: engine.Request{RequestID: engine.NewID("req")}},
		Token:  s.RootKey, Value: request,
	})
	if err != nil || !answer.Data.(latchkey.Verification).Valid {
		b.Fatal(answer.Data, err)
	}
}

// serviceWithKey is a service with a key that has verified once.
func serviceWithKey(t testing.TB, request latchkey.CreateKeyRequest) (*Service, string) {
	t.Helper()
	return serviceOn(t, quiet(newDir(t)), request)
}

// serviceOn is serviceWithKey of a configuration.
func serviceOn(t testing.TB, cfg Config, request latchkey.CreateKeyRequest) (*Service, string) {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, verifiedKey(t, s, request)
}

// verifiedKey creates a key of a new API, and verifies it once.
func verifiedKey(t testing.TB, s *Service, request latchkey.CreateKeyRequest) string {
	t.Helper()
	api, err := s.Client.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "an api"})
	if err != nil {
		t.Fatal(err)
	}
	request.APIID = api.APIID
	made, err := s.Client.Keys.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{
		Key: made.Key,
	}); err != nil || !v.Valid {
		t.Fatal(v.Code, err)
	}
	return made.Key
}
