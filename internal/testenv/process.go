package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process is one entry of the process table.
type process struct {
	pid, parent int
	state       byte // as ps prints it: T is stopped, Z is a zombie
}

func (p process) ended() bool   { return p.state == 'Z' }
func (p process) stopped() bool { return p.state == 'T' || p.ended() }

// processes returns the process table of the system.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil || len(entries) == 0 {
		return parsePS(exec.Command("ps", "-A", "-o", "pid=,ppid=,state=").Output())
	}
	var all []process
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it exited after ReadDir
		}
		if p, ok := parseStat(string(stat)); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat parses /proc/PID/stat of Linux: "PID (NAME) STATE PARENT …". The name can contain any
// character, including spaces and parentheses.
func parseStat(stat string) (p process, ok bool) {
	pid, rest, _ := strings.Cut(stat, " ")
	fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:])
	if len(fields) < 2 {
		return p, false
	}
	return parseProcess(pid, fields[1], fields[0])
}

// parsePS parses the output of ps, for systems without /proc.
func parsePS(output []byte, err error) ([]process, error) {
	var all []process
	for line := range bytes.Lines(output) {
		if f := strings.Fields(string(line)); len(f) == 3 {
			if p, ok := parseProcess(f[0], f[1], f[2]); ok {
				all = append(all, p)
			}
		}
	}
	return all, err
}

func parseProcess(pid, parent, state string) (p process, ok bool) {
	var err1, err2 error
	p.pid, err1 = strconv.Atoi(pid)
	p.parent, err2 = strconv.Atoi(parent)
	p.state = state[0]
	return p, err1 == nil && err2 == nil
}

// processTree returns pid and its descendants. It returns none for 0, which kill interprets as
// the caller's process group. A process group would not be enough: each backend of PostgreSQL
// leads its own.
func processTree(all []process, pid int) []process {
	if pid <= 0 {
		return nil
	}
	var found []process
	for _, p := range all {
		if p.pid == pid {
			found = append(found, p)
		}
	}
	for i := 0; i < len(found); i++ {
		for _, p := range all {
			if p.parent == found[i].pid {
				found = append(found, p)
			}
		}
	}
	return found
}

// freeze stops pid and its descendants, and returns them when none is running. It checks twice in
// a row, because a process that was running at the first check may have started another child
// before it stopped.
func freeze(pid int) ([]process, error) {
	var members []process
	confirmations := 0
	err := waitFor("the server to freeze", func() (bool, error) {
		all, err := processes()
		if err != nil {
			return false, err
		}
		members = processTree(all, pid)
		confirmations++
		for _, p := range members {
			if !p.stopped() {
				confirmations = 0
				err = errors.Join(err, send(p.pid, signalFreeze))
			}
		}
		return confirmations == 2, err
	})
	return members, err
}

// awaitEnd waits until none of the processes is left.
func awaitEnd(members []process) error {
	return waitFor("the server to end", func() (bool, error) {
		all, err := processes()
		return !slices.ContainsFunc(all, func(p process) bool {
			return !p.ended() && slices.ContainsFunc(members,
				func(m process) bool { return m.pid == p.pid })
		}), err
	})
}

// timeout bounds everything that a server does.
const timeout = time.Minute

// waitFor polls done until it returns true or an error, or until the timeout.
func waitFor(what string, done func() (bool, error)) error {
	for end := time.Now().Add(timeout); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("waited %v for %s", timeout, what)
}
