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
	dir := filepath.Dir(file)
	next, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // readable by its owner only
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // fails once the file has its name
	_, err = next.WriteString(text)
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), file); err != nil {
		return err
	}
	return SyncFolder(dir)
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
