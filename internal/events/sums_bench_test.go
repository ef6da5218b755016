package events_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/events"
	"github.com/latchkeyhq/latchkey/internal/events/tally"
)

// BenchmarkSums asks for sums of ten million events of a month, merged as they are after it. The
// sub-benchmarks have that many keys of one customer.
func BenchmarkSums(b *testing.B) {
	const all = 10_000_000
	month := []int64{
		time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
		time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
	}
	hours := []int64{month[0]}
	for hours[len(hours)-1] < month[1] {
		hours = append(hours, hours[len(hours)-1]+3600_000)
	}
	berlin := []int64{month[0] - 2*3600_000, month[1] - 3600_000}
	for _, keys := range []int{1000, 100_000} {
		now := time.UnixMilli(month[0])
		log, merge := events.Merging(b, events.Config{
			File: filepath.Join(b.TempDir(), "events.db"),
		}, func() time.Time { return now })
		r := rand.New(rand.NewPCG(1, 2))
		subjects := make([]*named, keys)
		for i := range subjects {
			subjects[i] = &named{
				Workspace: "ws_1", Space: "ks_1", Key: fmt.Sprint("key_", i), Identity: "id_1",
				External: "customer",
			}
		}
		none := &[]string{}
		for i := range all {
			at := month[0] + int64(i)*(month[1]-month[0])/all
			outcome := uint8(0)
			if r.IntN(10) == 0 {
				outcome = uint8(1 + r.IntN(2))
			}
			log.Verify(uint32(i), &events.Verification{
				Key: subjects[r.IntN(keys)], Tags: none, RequestID: "req_abcdefghi", At: at,
				Latency: r.Uint32N(100), Outcome: outcome, Credits: 1,
			})
			if i%100_000 == 99_999 {
				now = time.UnixMilli(at)
				if err := log.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := merge(); err != nil {
					b.Fatal(err)
				}
			}
		}
		now = now.Add(48 * time.Hour)
		for range 3 {
			if err := merge(); err != nil {
				b.Fatal(err)
			}
		}
		for name, q := range map[string]*tally.Question{
			"month":         {Bounds: month},
			"month/berlin":  {Bounds: berlin},
			"month/byKey":   {Bounds: month, By: []tally.Dimension{tally.ByKey}},
			"hours/outcome": {Bounds: hours, InParts: true, By: []tally.Dimension{tally.ByOutcome}},
		} {
			q.Scope.Workspace, q.Filter.External = "ws_1", "customer"
			q.Now, q.Top = now, 10
			b.Run(fmt.Sprintf("%d/%s", keys, name), func(b *testing.B) {
				for b.Loop() {
					answer, err := tally.Add(b.Context(), log, q)
					if err != nil || name == "month" && answer.Total.Count != all {
						b.Fatalf("%v, %+v", err, answer)
					}
				}
			})
		}
	}
}
