package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// backedUp returns a folder with some rows and a backup of it.
func backedUp(t *testing.T) (dir, file string) {
	t.Helper()
	dir, file = t.TempDir(), filepath.Join(t.TempDir(), "a backup?.db")
	db := open(t, "sqlite://"+dir)
	for i := range 20 {
		if err := db.Update(t.Context(), put(fmt.Sprint(i), strings.Repeat("x", 9000))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := BackUp(t.Context(), dir, file, nil); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

func accept(Backup) error { return nil }

// TestABackupIsOfOneInstant: everything that was committed before it began is in it, and
// what it has of changes made meanwhile is a beginning of them, without a gap.
func TestABackupIsOfOneInstant(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	db := open(t, "sqlite://"+dir)
	var committed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := db.Update(t.Context(), put(fmt.Sprint(i), strings.Repeat("x", 5000))); err != nil {
				t.Error(err)
				return
			}
			committed.Store(int64(i))
		}
	})
	for committed.Load() < 500 && !t.Failed() {
		runtime.Gosched()
	}
	before := committed.Load()
	var last, reports int64
	made, err := BackUp(t.Context(), dir, file, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		// the writer goes on between two parts
		for at := committed.Load(); committed.Load() < at+10 && !t.Failed(); {
			runtime.Gosched()
		}
		last, reports = done, reports+1
	})
	stop()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if reports < 2 || last != made.Size {
		t.Errorf("%d reports, the last one of %d bytes; the backup has %d", reports, last, made.Size)
	}
	restored := t.TempDir()
	got, err := Restore(t.Context(), file, restored, accept)
	if err != nil || got.SHA256 != made.SHA256 {
		t.Fatalf("%v: %v, want %v", err, got, made)
	}
	copied := open(t, "sqlite://"+restored)
	for i := range before + 1 {
		if !has(t, copied, fmt.Sprint(i)) {
			t.Fatalf("change %d of %d that were committed before is missing", i, before)
		}
	}
	for i := before; ; i++ {
		if !has(t, copied, fmt.Sprint(i)) {
			if i > committed.Load() || has(t, copied, fmt.Sprint(i+1)) {
				t.Errorf("the backup ends at %d, after %d were committed", i, committed.Load())
			}
			return
		}
	}
}

func TestABackupIsNewAndItsOwnersAlone(t *testing.T) {
	dir, file := backedUp(t)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
	if _, err := BackUp(t.Context(), dir, file, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another one: %v", err)
	}
	if _, err := BackUp(t.Context(), t.TempDir(), file+"2", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := BackUp(ctx, dir, file+"3", func(int64, int64) { cancel() }); err == nil {
		t.Error("a backup was made after it was canceled")
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("%v: %v", err, left)
	}
}

// TestDamageToABackupIsFound wherever it is, and nothing of it is restored.
func TestDamageToABackupIsFound(t *testing.T) {
	_, file := backedUp(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	refused := func(what string, text []byte) {
		t.Helper()
		if err := os.WriteFile(damaged, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyBackup(t.Context(), damaged); err == nil {
			t.Errorf("%s: verified", what)
		}
		dir := filepath.Join(t.TempDir(), "data")
		if _, err := Restore(t.Context(), damaged, dir, accept); err == nil {
			t.Errorf("%s: restored", what)
		}
		if _, err := os.Stat(databaseFile(dir)); err == nil {
			t.Errorf("%s: a database was left", what)
		}
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/50 {
		text := append([]byte{}, whole...)
		text[at] ^= 1
		refused(fmt.Sprint("bit at ", at), text)
		refused(fmt.Sprint("cut off at ", at), whole[:at])
	}
	refused("end", whole[:len(whole)-1])
	refused("more", append(append([]byte{}, whole...), "\n"...))
	refused("not a backup", []byte("SQLite format 3\x00\n"))
	if _, err := VerifyBackup(t.Context(), file); err != nil {
		t.Error(err)
	}
}

func TestRestoreRefusesWhatCannotBeRight(t *testing.T) {
	dir, file := backedUp(t) // dir is in use
	if _, err := Restore(t.Context(), file, dir, accept); !errors.Is(err, ErrLocked) {
		t.Errorf("beside a service: %v", err)
	}
	for _, name := range []string{"latchkey.db", "latchkey.db-wal", "latchkey.db-shm"} {
		dir := t.TempDir()
		there := filepath.Join(dir, name)
		if err := os.WriteFile(there, []byte("data"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), file, dir, accept); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over %s: %v", name, err)
		}
		if text, err := os.ReadFile(there); err != nil || string(text) != "data" {
			t.Errorf("%s became %q: %v", name, text, err)
		}
	}
	wrong := errors.New("the wrong master key")
	dir = t.TempDir()
	refuse := func(Backup) error { return wrong }
	if _, err := Restore(t.Context(), file, dir, refuse); !errors.Is(err, wrong) {
		t.Errorf("error %v, want %v", err, wrong)
	}
	if _, err := os.Stat(databaseFile(dir)); err == nil {
		t.Error("a database was left")
	}
}

// TestANewerSchemaIsNotRestored: this program couldn't use the data.
func TestANewerSchemaIsNotRestored(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	db := open(t, "sqlite://"+dir)
	_, err := db.pool.ExecContext(t.Context(),
		"INSERT INTO schema_migrations (version, name, oldest) VALUES (1000, 'later', 1000)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := BackUp(t.Context(), dir, file, nil); err == nil ||
		!strings.Contains(err.Error(), "newer version of Latchkey") {
		t.Errorf("error %v", err)
	}
}
