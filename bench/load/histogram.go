package load

import (
	"math/bits"
	"time"
)

// precision is how many buckets each power of two is cut into, as a power of
// two itself: a value is known to within 1/128 of its size.
const precision = 7

// Histogram counts durations in buckets that grow with the value, after the log-linear
// scheme of HdrHistogram: below 256 ns each nanosecond has a bucket of its own,
// above that each power of two has 128. A quantile is therefore never too low
// and at most 1/128 too high. The zero value is empty and ready for use; it is not safe for
// concurrent use.
type Histogram struct {
	counts [(64 - precision) << precision]uint64 // enough for the 63 bits of a duration
	total  uint64
	max    time.Duration
}

// Record counts a duration; a negative one counts as none.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.total++
	h.max = max(h.max, d)
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that the share q (0 to 1) of all recorded ones
// doesn't exceed, or 0 if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(q*float64(h.total)+0.999999), 1) // rounded up; the first is 1
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen >= rank {
			return min(time.Duration(highest(i)), h.max)
		}
	}
	return h.max
}

// bucket returns the index of the bucket that v falls into.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-precision-1, 0)
	return shift<<precision + int(v>>shift)
}

// highest returns the largest value that falls into bucket i.
func highest(i int) uint64 {
	shift := max(i>>precision-1, 0)
	return (uint64(i-shift<<precision)+1)<<shift - 1
}
