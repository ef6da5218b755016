// Package durable makes folders and files that survive a power failure once its
// functions return: the data is synced, and so is the folder that holds the name.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// MakeFolder makes a folder, and those above it where they are missing, for its owner
// only.
func MakeFolder(dir string) error {
	is, err := os.Stat(dir)
	switch {
	case err == nil && !is.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := MakeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncFolder(parent)
}

// WriteFile replaces a file by one that only its owner can read. After a crash there is
// the old file or the new one, whole.
func WriteFile(file, text string) error {
	return Build(file, func(next string) error { return os.WriteFile(next, []byte(text), 0o600) })
}

// Build replaces a file by what fill writes into the file next, which is beside it, empty,
// and readable by its owner only. If fill fails, the old file stays.
func Build(file string, fill func(next string) error) error {
	dir := filepath.Dir(file)
	made, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	next := made.Name()
	defer func() { _ = os.Remove(next) }() // fails once the file has its name
	if err := made.Close(); err != nil {
		return err
	}
	if err := fill(next); err != nil {
		return err
	}
	if err := syncFile(next); err != nil {
		return err
	}
	if err := os.Rename(next, file); err != nil {
		return err
	}
	return SyncFolder(dir)
}

func syncFile(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0) // Windows syncs only what can be written
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SyncFolder brings the names in a folder to disk. Windows has no such call.
func SyncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
