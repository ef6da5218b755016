// Package powercut tests what survives a power failure. A [Disk] is a file
// system in memory that keeps apart what programs see and what a disk would
// hold: only data that was synced is sure to survive [Disk.Cut]. The tests run
// the latchkey binary on it, cut the power under load, start the binary again
// and compare what it answers with what it had acknowledged.
//
// SIGKILL is no power failure: the kernel keeps what the process wrote, synced
// or not, so a missing fsync would pass any test that only kills.
package powercut

import (
	"maps"
	"sync"
	"syscall"
)

// sector is how many bytes a disk writes as a whole.
const sector = 512

// root is the number of the root folder, as FUSE wants it.
const root = 1

// Disk is a file system whose unsynced data a power failure loses.
type Disk struct {
	mu    sync.Mutex
	files map[uint64]*file // by number
	last  uint64           // the highest number given out
}

// file is a file or a folder. What is written is volatile until it is synced:
// a file's data by a sync of the file, a name by a sync of its folder. The sync
// of a new file does not save its name, which is the strictest reading of POSIX.
type file struct {
	mode uint32 // type and permissions

	data    []byte           // as programs see it
	durable []byte           // as the disk holds it
	dirty   map[int]struct{} // the sectors written since the last sync

	names        map[string]uint64 // as programs see them
	durableNames map[string]uint64 // as the disk holds them
	renames      []rename          // made since the last sync, oldest first
}

// rename is a change of a folder that a disk makes as a whole: number 0 means
// that the name is gone.
type rename map[string]uint64

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{files: map[uint64]*file{root: newFolder(0o700)}, last: root}
}

func newFolder(permissions uint32) *file {
	return &file{
		mode:  syscall.S_IFDIR | permissions,
		names: map[string]uint64{}, durableNames: map[string]uint64{},
	}
}

func newFile(permissions uint32) *file {
	return &file{mode: syscall.S_IFREG | permissions, dirty: map[int]struct{}{}}
}

func (f *file) isFolder() bool { return f.mode&syscall.S_IFMT == syscall.S_IFDIR }

// Cut is a power failure. What was synced stays. Of the rest, each sector, each
// length and each change of a folder survives if survives says so; a disk may
// have written any of them. No program may have a file open.
func (d *Disk) Cut(survives func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.isFolder() {
			f.cutNames(survives)
		} else {
			f.cutData(survives)
		}
	}
	d.collect()
}

func (f *file) cutNames(survives func() bool) {
	for _, r := range f.renames {
		if survives() {
			apply(f.durableNames, r)
		}
	}
	f.renames = nil
	f.names = maps.Clone(f.durableNames)
}

func (f *file) cutData(survives func() bool) {
	if len(f.data) != len(f.durable) && survives() {
		f.durable = resize(f.durable, len(f.data))
	}
	for n := range f.dirty {
		if survives() {
			f.saveSector(n)
		}
	}
	clear(f.dirty)
	f.data = append([]byte(nil), f.durable...)
}

// collect drops what no name leads to.
func (d *Disk) collect() {
	reached := map[uint64]*file{}
	var visit func(number uint64)
	visit = func(number uint64) {
		if f := d.files[number]; f != nil && reached[number] == nil {
			reached[number] = f
			for _, n := range f.names {
				visit(n)
			}
		}
	}
	visit(root)
	d.files = reached
}

// add gives a new file its number and its name in folder.
func (d *Disk) add(folder *file, name string, f *file) uint64 {
	d.last++
	d.files[d.last] = f
	folder.rename(rename{name: d.last})
	return d.last
}

// rename changes names in a folder.
func (f *file) rename(r rename) {
	apply(f.names, r)
	f.renames = append(f.renames, r)
}

func apply(names map[string]uint64, r rename) {
	for name, number := range r {
		if number == 0 {
			delete(names, name)
		} else {
			names[name] = number
		}
	}
}

// write puts data at an offset, beyond the end with zeros before it.
func (f *file) write(data []byte, offset int) {
	if end := offset + len(data); end > len(f.data) {
		f.truncate(end)
	}
	copy(f.data[offset:], data)
	f.touch(offset, offset+len(data))
}

// truncate gives the file a length.
func (f *file) truncate(length int) {
	before := len(f.data)
	f.data = resize(f.data, length)
	f.touch(min(before, length), length)
}

// touch marks the sectors of a range as dirty.
func (f *file) touch(from, to int) {
	for n := from / sector; n*sector < to; n++ {
		f.dirty[n] = struct{}{}
	}
}

// sync saves a file's data, or a folder's names.
func (f *file) sync() {
	if f.isFolder() {
		f.renames = nil
		f.durableNames = maps.Clone(f.names)
		return
	}
	f.durable = resize(f.durable, len(f.data))
	for n := range f.dirty {
		f.saveSector(n)
	}
	clear(f.dirty)
}

// saveSector copies a sector to the disk, as far as the durable length goes.
func (f *file) saveSector(n int) {
	from := n * sector
	to := min(from+sector, len(f.data), len(f.durable))
	if from < to {
		copy(f.durable[from:to], f.data[from:to])
	}
}

// resize returns data with another length, zeros at its end where it grew. What
// was cut off does not come back when it grows again.
func resize(data []byte, length int) []byte {
	if length <= len(data) {
		clear(data[length:])
		return data[:length]
	}
	return append(data, make([]byte, length-len(data))...)
}
