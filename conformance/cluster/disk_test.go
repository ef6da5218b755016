package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// diskFull is the row of the matrix about a node on SQLite whose disk is full.
var diskFull = fault{name: "disk-full", answers: without(map[work]outcome{paid: retries, changes: retries})}

// TestAFullDiskLosesNothing fills the disk under a node on SQLite. What needs no
// room goes on, the rest fails and is not half done; with room again everything
// works, also after SIGKILL.
func TestAFullDiskLosesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	c := start(t, settings{nodes: 1, flags: []string{"--data", filepath.Join(dir, "data")}})
	b := begin(t, c)
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	full := time.Now()
	for !b.failed(changes) {
		if time.Since(full) > time.Minute {
			t.Fatal("changes go on with a full disk")
		}
		time.Sleep(10 * time.Millisecond)
	}
	begun := time.Now()
	time.Sleep(lasts)
	ended := time.Now()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	time.Sleep(recovers + time.Second)
	b.stop()
	b.hold(t, 0, "during", begun, ended, diskFull.answers)
	b.hold(t, 0, "after", ended.Add(recovers), time.Now(), without(nil))
	b.nothingLost(t, c.Client)
	c.nodes[0].kill()
	c.nodes[0].start(t)
	b.nothingLost(t, c.Client)
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

// failed reports whether work of that kind has failed.
func (b *burden) failed(w work) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.answers {
		if a.work == w && a.err != nil {
			return true
		}
	}
	return false
}
