package events

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A Block has events as columns of equal length. A stored block is
//
//	version (1 byte) · rows (uvarint) · columns · CRC-32C of all before (4 bytes)
//
// where a column is its size before compression (uvarint), its compressed size (uvarint), and
// a zstd frame. A column of size 0 has only zeros. Columns are in the order of [Columns];
// numbers are varints, texts have their length in front. Times are differences to the row
// before, resets to the time of their row.
type Block struct {
	Subjects []Subject
	TagSets  [][]string // TagSets[0] is the empty set
	Rows     int

	Time    []int64  // unix ms
	Subject []uint32 // index of Subjects
	Outcome []uint8
	Tags    []uint32 // index of TagSets
	Count   []int64  // events of the row; of a raw block nil, for 1 each
	Amount  []int64  // credits, or cost
	Latency []int64  // µs
	Request []string
	Limit   []int64
	Left    []int64
	Reset   []int64 // unix ms
}

// Columns is a set of columns of a block, besides the dictionaries, which are always read.
type Columns uint16

// The columns.
const (
	ColTime Columns = 1 << iota
	ColSubject
	ColOutcome
	ColTags
	ColCount
	ColAmount
	ColLatency
	ColRequest
	ColLimit
	ColLeft
	ColReset
	columns = iota
)

// AllColumns are all columns.
const AllColumns Columns = 1<<columns - 1

const (
	blockVersion = 1
	// maxRows and maxColumn bound what a block can claim to have, so that a damaged one
	// can't take all memory.
	maxRows   = 1 << 18
	maxColumn = 64 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("the block is damaged")
	packer     = sync.OnceValue(func() *zstd.Encoder {
		e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)) // these options can't fail
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2),
			zstd.WithDecoderMaxMemory(maxColumn))
		return d
	})
)

// encode returns the stored form of a block.
func (b *Block) encode() []byte {
	out := binary.AppendUvarint([]byte{blockVersion}, uint64(b.Rows))
	var raw []byte
	column := func(write func([]byte) []byte) {
		raw = write(raw[:0])
		if !slices.ContainsFunc(raw, func(c byte) bool { return c != 0 }) {
			raw = raw[:0]
		}
		out = binary.AppendUvarint(out, uint64(len(raw)))
		if len(raw) == 0 {
			return
		}
		packed := packer().EncodeAll(raw, nil)
		out = append(binary.AppendUvarint(out, uint64(len(packed))), packed...)
	}
	column(b.writeSubjects)
	column(b.writeTagSets)
	column(differences(b.Time))
	column(numbers(b.Subject))
	column(func(out []byte) []byte { return append(out, b.Outcome...) })
	column(numbers(b.Tags))
	column(numbers(b.Count))
	column(numbers(b.Amount))
	column(numbers(b.Latency))
	column(texts(b.Request))
	column(numbers(b.Limit))
	column(numbers(b.Left))
	column(func(out []byte) []byte {
		for i, reset := range b.Reset {
			out = binary.AppendVarint(out, reset-b.Time[i])
		}
		return out
	})
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// The fields of a subject, in the order in which they are stored.
func (s *Subject) fields() [6]*string {
	return [...]*string{&s.Workspace, &s.Space, &s.Key, &s.Identity, &s.External, &s.Override}
}

func (b *Block) writeSubjects(out []byte) []byte {
	out = binary.AppendUvarint(out, uint64(len(b.Subjects)))
	for field := range (&Subject{}).fields() {
		for i := range b.Subjects {
			out = appendText(out, *b.Subjects[i].fields()[field])
		}
	}
	return out
}

func (b *Block) writeTagSets(out []byte) []byte {
	out = binary.AppendUvarint(out, uint64(len(b.TagSets)))
	for _, set := range b.TagSets {
		out = binary.AppendUvarint(out, uint64(len(set)))
		for _, tag := range set {
			out = appendText(out, tag)
		}
	}
	return out
}

func appendText(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// numbers writes whole numbers.
func numbers[N int64 | uint32](column []N) func([]byte) []byte {
	return func(out []byte) []byte {
		for _, n := range column {
			out = binary.AppendVarint(out, int64(n))
		}
		return out
	}
}

func differences(column []int64) func([]byte) []byte {
	return func(out []byte) []byte {
		before := int64(0)
		for _, n := range column {
			out = binary.AppendVarint(out, n-before)
			before = n
		}
		return out
	}
}

func texts(column []string) func([]byte) []byte {
	return func(out []byte) []byte {
		for _, s := range column {
			out = appendText(out, s)
		}
		return out
	}
}

// decodeBlock reads a stored block.
func decodeBlock(data []byte) (*Block, error) {
	return decodeSome(data, AllColumns, func(*Subject) bool { return true })
}

// decodeSome reads some columns of a stored block that is about some subject that wanted accepts.
// Of another block it returns nil.
func decodeSome(data []byte, want Columns, wanted func(*Subject) bool) (*Block, error) {
	if len(data) < 5 {
		return nil, errDamaged
	}
	body, sum := data[:len(data)-4], data[len(data)-4:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, errDamaged
	}
	if body[0] != blockVersion {
		return nil, fmt.Errorf("the block has version %d; this release reads %d",
			body[0], blockVersion)
	}
	r := reader{rest: body[1:]}
	b := &Block{Rows: r.count(maxRows)}
	r.dictionaries(b)
	if !r.failed() && len(b.Subjects) > 0 && !b.about(wanted) {
		return nil, nil
	}
	if want&ColReset != 0 {
		want |= ColTime
	}
	column := func(column Columns) *reader {
		if want&column == 0 {
			r.skip()
			return nil
		}
		return r.column()
	}
	b.Time = column(ColTime).differences(b.Rows)
	b.Subject = indexes(column(ColSubject), b.Rows, len(b.Subjects), &r)
	b.Outcome = column(ColOutcome).bytes(b.Rows)
	b.Tags = indexes(column(ColTags), b.Rows, len(b.TagSets), &r)
	b.Count = column(ColCount).numbers(b.Rows)
	b.Amount = column(ColAmount).numbers(b.Rows)
	b.Latency = column(ColLatency).numbers(b.Rows)
	b.Request = column(ColRequest).texts(b.Rows)
	b.Limit = column(ColLimit).numbers(b.Rows)
	b.Left = column(ColLeft).numbers(b.Rows)
	b.Reset = column(ColReset).numbers(b.Rows)
	for i := range b.Reset {
		b.Reset[i] += b.Time[i]
	}
	if r.failed() || len(r.rest) != 0 {
		return nil, errDamaged
	}
	return b, nil
}

// about reports whether the block has a subject that wanted accepts.
func (b *Block) about(wanted func(*Subject) bool) bool {
	for i := range b.Subjects {
		if wanted(&b.Subjects[i]) {
			return true
		}
	}
	return false
}

// reader reads values and columns. After a failure it returns zeros.
type reader struct {
	rest   []byte
	all    string // what texts are parts of, rest being its end; "" before the first text
	bad    bool
	parent *reader // of the column of a block; its failures are the block's
	empty  bool    // the column has only zeros
}

func (r *reader) failed() bool { return r.bad }

func (r *reader) fail() {
	r.bad, r.rest = true, nil
	if r.parent != nil {
		r.parent.bad = true
	}
}

func (r *reader) count(most int) int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(most) {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *reader) number() int64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 { // the most usual, and quickly read
		n := int64(r.rest[0])
		r.rest = r.rest[1:]
		return n>>1 ^ -(n & 1)
	}
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() string {
	n := r.count(len(r.rest))
	if n > len(r.rest) {
		r.fail()
		return ""
	}
	if r.all == "" {
		r.all = string(r.rest) // one copy for all texts of the column
	}
	at := len(r.all) - len(r.rest)
	r.rest = r.rest[n:]
	return r.all[at : at+n]
}

// frame returns the next column's size and its compressed form.
func (r *reader) frame() (size int, packed []byte) {
	if size = r.count(maxColumn); size == 0 {
		return 0, nil
	}
	n := r.count(len(r.rest))
	if n > len(r.rest) {
		r.fail()
		return 0, nil
	}
	packed, r.rest = r.rest[:n], r.rest[n:]
	return size, packed
}

func (r *reader) skip() { r.frame() }

func (r *reader) column() *reader {
	size, packed := r.frame()
	c := &reader{parent: r, empty: size == 0}
	if size == 0 {
		return c
	}
	// A frame says its size itself. One that lies is found by its length.
	raw, err := unpacker().DecodeAll(packed, nil)
	if err != nil || len(raw) != size {
		c.fail()
		return c
	}
	c.rest = raw
	return c
}

func (r *reader) dictionaries(b *Block) {
	c := r.column()
	b.Subjects = make([]Subject, c.entries())
	for field := range (&Subject{}).fields() {
		for i := range b.Subjects {
			*b.Subjects[i].fields()[field] = c.text()
		}
	}
	c.end()
	c = r.column()
	b.TagSets = make([][]string, max(1, c.entries()))
	if c.empty {
		return
	}
	for i := range b.TagSets {
		if n := c.count(len(c.rest)); n > 0 {
			b.TagSets[i] = make([]string, n)
			for j := range b.TagSets[i] {
				b.TagSets[i][j] = c.text()
			}
		}
	}
	c.end()
}

// entries reads how many entries a dictionary has. Each takes a byte at least.
func (r *reader) entries() int {
	if r.empty {
		return 0
	}
	return r.count(min(maxRows, len(r.rest)))
}

// end fails unless everything was read.
func (r *reader) end() {
	if len(r.rest) > 0 {
		r.fail()
	}
}

func (r *reader) numbers(n int) []int64 {
	if r == nil {
		return nil
	}
	column := make([]int64, r.room(n))
	if r.empty {
		return column
	}
	for i := range column {
		column[i] = r.number()
	}
	r.end()
	return column
}

// room returns n if what is left can have that many values. It keeps a damaged column from
// taking memory for values that it doesn't have.
func (r *reader) room(n int) int {
	if !r.empty && n > len(r.rest) {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) differences(n int) []int64 {
	column := r.numbers(n)
	for i := 1; i < len(column); i++ {
		column[i] += column[i-1]
	}
	return column
}

func (r *reader) bytes(n int) []uint8 {
	if r == nil {
		return nil
	}
	if r.empty {
		return make([]uint8, n)
	}
	if len(r.rest) != n {
		r.fail()
		return nil
	}
	return r.rest
}

func (r *reader) texts(n int) []string {
	if r == nil {
		return nil
	}
	column := make([]string, r.room(n))
	if r.empty {
		return column
	}
	for i := range column {
		column[i] = r.text()
	}
	r.end()
	return column
}

// indexes reads indexes of a dictionary of that size.
func indexes(c *reader, n, size int, block *reader) []uint32 {
	numbers := c.numbers(n)
	if numbers == nil {
		return nil
	}
	column := make([]uint32, len(numbers))
	for i, at := range numbers {
		if at < 0 || at >= int64(size) {
			block.fail()
			return nil
		}
		column[i] = uint32(at)
	}
	return column
}
