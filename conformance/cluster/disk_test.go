package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// diskFull is the row of the matrix for a node on SQLite whose disk is full.
var diskFull = fault{name: "disk-full", outcomes: worksExcept(
	map[work]outcome{paid: mayFail, changes: mayFail})}

// TestFullDiskLosesNothing fills the disk of a node on SQLite. Work that writes nothing continues.
// The
// rest fails and leaves nothing half-done. With free space everything works again, also after
// SIGKILL.
func TestFullDiskLosesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	c := start(t, settings{nodes: 1, flags: []string{"--data", filepath.Join(dir, "data")}})
	b := startLoad(t, c)
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	full := time.Now()
	for !b.failed(changes) {
		if time.Since(full) > time.Minute {
			t.Fatal("changes still succeed with a full disk")
		}
		time.Sleep(10 * time.Millisecond)
	}
	began := time.Now()
	time.Sleep(faultDuration)
	ended := time.Now()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	time.Sleep(recoveryTime + time.Second)
	b.stop()
	b.check(t, 0, "during", began, ended, diskFull.outcomes)
	b.check(t, 0, "after", ended.Add(recoveryTime), time.Now(), worksExcept(nil))
	b.checkNothingLost(t, c.Client)
	c.nodes[0].kill()
	c.nodes[0].start(t)
	b.checkNothingLost(t, c.Client)
	if t.Failed() {
		t.Log(last(c.nodes[0].log.String(), 3000))
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for some := make([]byte, 4096); err == nil; {
		_, err = f.Write(some)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// failed reports whether work of this kind has failed.
func (b *load) failed(w work) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.results {
		if a.work == w && a.err != nil {
			return true
		}
	}
	return false
}
