package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestASecondProcessCannotOpenTheFolder(t *testing.T) {
	dir := t.TempDir()
	where := "sqlite://" + dir
	db := open(t, where)
	if _, err := Open(t.Context(), where); !errors.Is(err, ErrLocked) {
		t.Errorf("error %v, want %v", err, ErrLocked)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, where)
}

func TestAClosedDatabaseIsOneFileThatOthersCannotRead(t *testing.T) {
	dir := t.TempDir()
	where := "sqlite://" + dir
	db := open(t, where)
	if err := db.Update(t.Context(), put("a", "1")); err != nil || !has(t, db, "a") {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() != "latchkey.db" && f.Name() != "latchkey.lock" {
			t.Errorf("%s is left, %d bytes", f.Name(), info.Size())
		}
		if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
			t.Errorf("%s has mode %o", f.Name(), mode)
		}
	}
}

// TestTheLogOfSQLiteIsBounded: while changes arrive without a pause, and something reads, the
// log is begun anew; commits alone don't do that.
func TestTheLogOfSQLiteIsBounded(t *testing.T) {
	dir := t.TempDir()
	db := open(t, "sqlite://"+dir)
	text := strings.Repeat("x", 64<<10)
	const changes = 2 * longLog / 20 // of about 20 pages each
	var largest int64
	for i := range changes {
		name := fmt.Sprint("row ", i)
		if err := db.Update(t.Context(), put(name, text)); err != nil {
			t.Fatal(err)
		}
		if !has(t, db, name) {
			t.Fatal("a row is missing")
		}
		file, err := os.Stat(filepath.Join(dir, "latchkey.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, file.Size()/pageSize)
	}
	t.Logf("the log had %d pages at most, of %d written", largest, changes*20)
	if largest > longLog*11/10 {
		t.Errorf("the log grew to %d pages, want about %d at most", largest, longLog)
	}
}
