package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ is 100 on every architecture that Go supports.
const tick = 10 * time.Millisecond

// stat has the used fields of /proc/<pid>/stat.
type stat struct {
	pid, parent int
	cpu         time.Duration // of the process and of its exited children
}

// parseStat parses /proc/<pid>/stat. The second field is the program's name in parentheses, which
// can
// contain any character.
func parseStat(text []byte) (stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("proc: no name in %q", text)
	}
	fields := bytes.Fields(text[end+1:]) // from the third field on
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("proc: too few fields in %q", text)
	}
	numbers := [...][]byte{bytes.TrimSpace(text[:open]), fields[1], fields[11], fields[12],
		fields[13], fields[14]}
	var n [len(numbers)]int
	for i, field := range numbers {
		var err error
		if n[i], err = strconv.Atoi(string(field)); err != nil {
			return stat{}, fmt.Errorf("proc: %w", err)
		}
	}
	return stat{pid: n[0], parent: n[1], cpu: time.Duration(n[2]+n[3]+n[4]+n[5]) * tick}, nil
}

// CPU returns the user and system CPU time of these processes and all of their descendants, with a
// precision of 10 ms each.
func CPU(roots ...int) (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	all := make([]stat, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has exited
		}
		s, err := parseStat(text)
		if err != nil {
			return 0, err
		}
		all = append(all, s)
	}
	return sum(all, roots), nil
}

// sum returns the CPU time of the roots and their descendants.
func sum(all []stat, roots []int) time.Duration {
	children, ours := map[int][]stat{}, []stat{}
	for _, s := range all {
		children[s.parent] = append(children[s.parent], s)
		for _, root := range roots {
			if s.pid == root {
				ours = append(ours, s)
			}
		}
	}
	var total time.Duration
	for len(ours) > 0 {
		s := ours[0]
		total += s.cpu
		ours = append(ours[1:], children[s.pid]...)
	}
	return total
}

// RSS returns the resident memory of a process in bytes.
func RSS(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	return parseStatm(text)
}

// parseStatm parses /proc/<pid>/statm, whose second number is the number of resident pages.
func parseStatm(text []byte) (int64, error) {
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("proc: too few fields in %q", text)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}
