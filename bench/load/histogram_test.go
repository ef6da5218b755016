package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantilesAreWithinTheirError compares quantiles with the sorted values.
func TestQuantilesAreWithinTheirError(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	values := make([]time.Duration, 100_000)
	for i := range values {
		values[i] = time.Duration(1) << draw.IntN(40)
		values[i] += time.Duration(draw.Int64N(int64(values[i])))
		h.Record(values[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := values[max(int(q*float64(len(values))+0.999999)-1, 0)]
		got := h.Quantile(q)
		if got < exact || float64(got) > float64(exact)*(1+1.0/128) {
			t.Errorf("quantile %v: %d, exactly %d", q, got, exact)
		}
	}
	if h.Max() != values[len(values)-1] || h.Quantile(1) != h.Max() {
		t.Errorf("the maximum is %d, quantile 1 is %d, exactly %d", h.Max(), h.Quantile(1),
			values[len(values)-1])
	}
}

// TestBucketsHaveNoGapsOrOverlaps checks every boundary between buckets.
func TestBucketsHaveNoGapsOrOverlaps(t *testing.T) {
	for i := range len(Histogram{}.counts) - 1 {
		top := highest(i)
		if bucket(top) != i || bucket(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, but that is in %d and the next value in %d", i, top,
				bucket(top), bucket(top+1))
		}
	}
	if last := bucket(1<<63 - 1); last != len(Histogram{}.counts)-1 {
		t.Fatalf("the longest duration is in bucket %d", last)
	}
}

// TestMergedHistogramsCountLikeOne splits values between two histograms.
func TestMergedHistogramsCountLikeOne(t *testing.T) {
	var whole, one, other Histogram
	for i := range 1000 {
		d := time.Duration(i * i * 37)
		whole.Record(d)
		if i%3 == 0 {
			one.Record(d)
		} else {
			other.Record(d)
		}
	}
	one.Merge(&other)
	if one != whole {
		t.Error("the merged histogram differs from the histogram of all values")
	}
	if whole.Quantile(0.5) == 0 || new(Histogram).Quantile(0.5) != 0 {
		t.Error("only an empty histogram has quantiles of 0")
	}
}
