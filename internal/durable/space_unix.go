//go:build linux || darwin

package durable

import "syscall"

// Space returns how many bytes an ordinary user can still write in a folder's file system,
// and its size.
func Space(dir string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail * uint64(s.Bsize)), int64(s.Blocks * uint64(s.Bsize)), nil
}
