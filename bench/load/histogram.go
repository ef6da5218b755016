package load

import (
	"math/bits"
	"time"
)

// precision is the binary logarithm of the number of buckets per power of two: the relative error
// is
// 1/128.
const precision = 7

// Histogram counts durations in buckets that grow with the value, like the log-linear buckets of
// HdrHistogram: below 256 ns each nanosecond has its own bucket, above that each power of two has
// 128.
// A quantile is never too low and at most 1/128 too high. The zero value is an empty histogram. It
// is
// not safe for concurrent use.
type Histogram struct {
	counts [(64 - precision) << precision]uint64 // for the 63 bits of a duration
	total  uint64
	max    time.Duration
}

// Record counts a duration. A negative duration counts as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds the counts of another histogram.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// Count returns the number of recorded durations.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the exact maximum.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the quantile q (0 to 1), or 0 if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(q*float64(h.total)+0.999999), 1) // rounded up, starting at 1
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen >= rank {
			return min(time.Duration(highest(i)), h.max)
		}
	}
	return h.max
}

// bucket returns the index of the bucket of v.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-precision-1, 0)
	return shift<<precision + int(v>>shift)
}

// highest returns the largest value of bucket i.
func highest(i int) uint64 {
	shift := max(i>>precision-1, 0)
	return (uint64(i-shift<<precision)+1)<<shift - 1
}
