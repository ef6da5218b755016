package events

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func aBlock(n int) *Block {
	r := rand.New(rand.NewPCG(1, 1))
	b := newBuilder()
	at := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for i := range n {
		v := verification(r, at.Add(time.Duration(i)*time.Millisecond))
		b.verification(v)
	}
	return &b.block
}

func TestBlocksAreReadAsWritten(t *testing.T) {
	b := aBlock(500)
	got, err := decodeBlock(b.encode())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*[]int64{&got.Count, &got.Limit, &got.Left, &got.Reset} {
		*c = nil // a missing column is read as zeros
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
	some, err := decodeSome(b.encode(), ColSubject|ColAmount, everyone)
	if err != nil || some.Time != nil || cmp.Diff(some.Amount, b.Amount) != "" {
		t.Errorf("some columns: %v", err)
	}
}

// TestDamageIsFound flips each bit of a stored block, and cuts it short.
func TestDamageIsFound(t *testing.T) {
	data := aBlock(20).encode()
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if _, err := decodeBlock(data); err == nil {
				t.Errorf("byte %d, bit %d: no error", i, bit)
			}
			data[i] ^= 1 << bit
		}
		if _, err := decodeBlock(data[:i]); err == nil {
			t.Errorf("%d bytes: no error", i)
		}
	}
}

// FuzzDecodeBlock: whatever is stored, the decoder returns an error or a block whose columns
// fit together.
func FuzzDecodeBlock(f *testing.F) {
	f.Add(aBlock(20).encode())
	f.Add((&Block{TagSets: [][]string{nil}}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(sealed(data))
		if err != nil {
			return
		}
		for i := range b.Rows {
			_ = b.Subjects[b.Subject[i]]
			_ = b.TagSets[b.Tags[i]]
			_, _, _ = b.Time[i], b.Outcome[i], b.Of(i)
			_, _, _ = b.Amount[i], b.Latency[i], b.Request[i]
			_, _, _ = b.Limit[i], b.Left[i], b.Reset[i]
		}
		_ = rollUp(b, Hour).encode()
	})
}

// sealed returns data with the right checksum, so that fuzzing gets past it.
func sealed(data []byte) []byte {
	if len(data) < 5 {
		return data
	}
	body := data[:len(data)-4]
	return binary.BigEndian.AppendUint32(body[:len(body):len(body)], crc32.Checksum(body, castagnoli))
}
