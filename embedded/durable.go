package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// The functions of this file make folders and files that survive a power
// failure once they return: the data is synced, and so is the folder that holds
// the name.

// makeFolder makes a folder and those above it where they are missing.
func makeFolder(dir string) error {
	is, err := os.Stat(dir)
	switch {
	case err == nil && !is.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// keepSecret is writeSecret, except that no text means no file.
func keepSecret(file, text string) error {
	if text == "" {
		return os.Remove(file)
	}
	return writeSecret(file, text)
}

// writeSecret replaces a file by one that holds the line text and that only its
// owner can read. After a crash there is the old file or the new one, whole.
func writeSecret(file, text string) error {
	dir := filepath.Dir(file)
	next, err := os.CreateTemp(dir, "."+filepath.Base(file)+"-*") // readable by its owner only
	if err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	defer func() { _ = os.Remove(next.Name()) }() // fails once the file has its name
	_, err = next.WriteString(text + "\n")
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	if err := os.Rename(next.Name(), file); err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	return syncFolder(dir)
}

// syncFolder brings the names in a folder to disk. Windows has no such call.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	return nil
}
