package embedded

import (
	"fmt"
	"testing"
"syscall"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name    string
		key latchkey.CreateKeyRequest
	}{{"plain", latchkey.CreateKeyRequest{}},
		{"limit", latchkey.CreateKeyRequest{Ratelimits: []latchkey.RatelimitRequest{{Name: "requests", Limit: 1 << 60, Duration: latchkey.Per(time.Hour), AutoApply: true}}}},
		{"rich", latchkey.CreateKeyRequest{Name: "a key", ExternalID: "user_1", Meta: `{"plan":"pro"}`, Permissions: []string{"docs.read", "docs.write"},
			Ratelimits: []latchkey.RatelimitRequest{{Name: "requests", Limit: 1 << 60, Duration: latchkey.Per(time.Hour), AutoApply: true}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, key := serviceWithKey(b, c.key)
			b.ReportAllocs()
			b.ResetTimer()
 defer cpu(b)()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if v, err := s.Client.Keys.Verify(b.Context(), latchkey.VerifyKeyRequest{Key: key}); err != nil || !v.Valid {
						b.Error(v.Code, err)
					}
				}
			})
		})
	}
	b.Run("query", func(b *testing.B) {
		s, key := serviceWithKey(b, latchkey.CreateKeyRequest{Permissions: []string{"docs.read", "docs.write"}})
		b.ReportAllocs()
		b.ResetTimer()
 defer cpu(b)()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if v, err := s.Client.Keys.Verify(b.Context(), latchkey.VerifyKeyRequest{Key: key, Permissions: "docs.read AND (docs.write OR admin)"}); err != nil || !v.Valid {
					b.Error(v.Code, err)
				}
			}
		})
	})
	b.Run("ratelimit", func(b *testing.B) {
		s, _ := serviceWithKey(b, latchkey.CreateKeyRequest{})
		b.ReportAllocs()
		b.ResetTimer()
 defer cpu(b)()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if v, err := s.Client.Ratelimits.Limit(b.Context(), latchkey.LimitRequest{Namespace: "measured", Identifier: "user", Limit: 1<<60, Duration: latchkey.Per(time.Hour)}); err != nil || !v.Success {
					b.Error(fmt.Sprint(v), err)
				}
			}
		})
	})
}

func cpu(b *testing.B) func() {
	at := func() int64 { var r syscall.Rusage; syscall.Getrusage(0,&r); return r.Utime.Nano()+r.Stime.Nano() }
	begun := at()
	return func() { b.ReportMetric(float64(at()-begun)/float64(b.N), "cpu-ns") }
}
