package ratelimit

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// manyKeys is how many identifiers a busy process might have live at once.
const manyKeys = 100_000

func requestsOn(keys int) []Request {
	requests := make([]Request, keys)
	for i := range requests {
		requests[i] = Request{
			Key: Key{
				Workspace: "ws_1", Namespace: "api.requests", Identifier: fmt.Sprintf("user_%d", i),
				Duration: 60_000,
			},
			Limit: math.MaxInt64, Cost: 1,
		}
	}
	return requests
}

func BenchmarkTake(b *testing.B) {
	for _, bench := range []struct {
		name string
		keys int
	}{{"hot key", 1}, {"100k keys", manyKeys}} {
		requests := requestsOn(bench.keys)
		b.Run(bench.name, func(b *testing.B) {
			m := NewMemory()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := i % len(requests)
				take(m, 1_000, requests[at:at+1]...)
			}
		})
		b.Run(bench.name+" parallel", func(b *testing.B) {
			m := NewMemory()
			var workers atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				// Each worker begins elsewhere and skips ahead by a prime.
				for i := int(workers.Add(1)) * 7919; pb.Next(); i += 104_729 {
					at := i % len(requests)
					take(m, 1_000, requests[at:at+1]...)
				}
			})
		})
	}
}

func BenchmarkTakeBatchOfFive(b *testing.B) {
	m := NewMemory()
	requests := requestsOn(manyKeys)
	b.ReportAllocs()
	for i := 0; b.Loop(); i += 5 {
		at := i % len(requests)
		take(m, 1_000, requests[at:at+5]...)
	}
}

func BenchmarkTakeRefused(b *testing.B) {
	m := NewMemory()
	request := requestsOn(1)[0]
	request.Limit = 1
	b.ReportAllocs()
	for b.Loop() {
		take(m, 1_000, request)
	}
}

func BenchmarkSave(b *testing.B) {
	m, d := newSaved()
	requests := requestsOn(manyKeys)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		clear(d.segments)
		for _, r := range requests {
			take(m, 1_000, r)
		}
		b.StartTimer()
		save(m)
	}
}

func BenchmarkSweep(b *testing.B) {
	m := NewMemory()
	for _, r := range requestsOn(manyKeys) {
		take(m, 1_000, r)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Sweep(1_000)
	}
}

func BenchmarkResolve(b *testing.B) {
	var list []Override
	for i := range 50 {
		list = append(list,
			Override{Pattern: fmt.Sprintf("tenant_%d_*", i)},
			Override{Pattern: fmt.Sprintf("user_%d", i)})
	}
	overrides := NewOverrides(list)
	for _, identifier := range []string{"user_7", "tenant_49_x", "nobody"} {
		b.Run(identifier, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				overrides.Resolve(identifier)
			}
		})
	}
}

// BenchmarkResolveAtTheBound asks as many patterns as a namespace can have, none of which
// matches the longest identifier.
func BenchmarkResolveAtTheBound(b *testing.B) {
	var list []Override
	for i := range 1000 {
		list = append(list, Override{Pattern: fmt.Sprintf("*a*%d*", i+1_000_000)})
	}
	overrides := NewOverrides(list)
	identifier := strings.Repeat("a", 255)
	for b.Loop() {
		overrides.Resolve(identifier)
	}
}

func BenchmarkTakeOne(b *testing.B) {
	for _, bench := range []struct {
		name string
		keys int
	}{{"hot key", 1}, {"100k keys", manyKeys}} {
		requests := requestsOn(bench.keys)
		b.Run(bench.name, func(b *testing.B) {
			m := NewMemory()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.TakeOne(b.Context(), 1_000, requests[i%len(requests)])
			}
		})
		b.Run(bench.name+" parallel", func(b *testing.B) {
			m := NewMemory()
			var workers atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := int(workers.Add(1)) * 7919; pb.Next(); i += 104_729 {
					m.TakeOne(b.Context(), 1_000, requests[i%len(requests)])
				}
			})
		})
	}
}

func BenchmarkRedis(b *testing.B) {
	for name, fast := range map[string]bool{"exact": false, "fast": true} {
		request := requestsOn(1)[0]
		b.Run(name, func(b *testing.B) {
			r := openRedis(b, RedisConfig{URL: testenv.Redis(b), Fast: fast})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.TakeOne(b.Context(), 1_000, request); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			r := openRedis(b, RedisConfig{URL: testenv.Redis(b), Fast: fast})
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := r.TakeOne(b.Context(), 1_000, request); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkTakeBucket(b *testing.B) {
	request := requestsOn(1)[0]
	request.Algorithm = TokenBucket
	m, now := NewMemory(), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		now++
		m.TakeOne(b.Context(), now, request)
	}
}
