package store

import (
	"errors"
	"os"
	"runtime"
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
