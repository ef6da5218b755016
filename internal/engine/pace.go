package engine

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// pace measures how often something happens for each of many names, in a fixed amount of
// memory: names share buckets by their hashes. So it must only decide what is harmless to
// a name that shares a bucket, such as a delay.
type pace struct {
	interval time.Duration // the mean time between events that are not in excess
	burst    time.Duration // the intervals that can be used at once
	began    time.Time
	seed     maphash.Seed
	buckets  []atomic.Int64 // the times since began at which all events are paid for
}

func newPace(buckets int, interval, burst time.Duration) *pace {
	return &pace{
		interval: interval, burst: burst, began: time.Now(), seed: maphash.MakeSeed(),
		buckets: make([]atomic.Int64, buckets),
	}
}

func (p *pace) bucket(name string) *atomic.Int64 {
	return &p.buckets[maphash.String(p.seed, name)%uint64(len(p.buckets))]
}

// excess returns by how much the events of a bucket exceed the burst. Up to 0 they don't.
func (p *pace) excess(b *atomic.Int64) time.Duration {
	return time.Duration(b.Load()) - time.Since(p.began) - p.burst
}

// add counts an event and returns the excess with it, which gets no larger than most.
func (p *pace) add(b *atomic.Int64, most time.Duration) time.Duration {
	for {
		now, paid := int64(time.Since(p.began)), b.Load()
		next := min(max(paid, now)+int64(p.interval), now+int64(p.burst+most))
		if b.CompareAndSwap(paid, next) {
			return time.Duration(next-now) - p.burst
		}
	}
}
