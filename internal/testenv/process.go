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

// process is one line of the system's table of processes.
type process struct {
	pid, parent int
	state       byte // as ps prints it: T is stopped, Z has ended
}

func (p process) ended() bool   { return p.state == 'Z' }
func (p process) stopped() bool { return p.state == 'T' || p.ended() }

// processes returns the system's table of processes.
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
			continue // it has ended since the folder was read
		}
		if p, ok := parseStat(string(stat)); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// parseStat reads /proc/PID/stat of Linux: "PID (NAME) STATE PARENT …". The
// name may hold anything, blanks and parentheses too.
func parseStat(stat string) (p process, ok bool) {
	pid, rest, _ := strings.Cut(stat, " ")
	fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:])
	if len(fields) < 2 {
		return p, false
	}
	return parseProcess(pid, fields[1], fields[0])
}

// parsePS reads what ps prints on systems without /proc.
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

// family returns those of the processes that descend from pid, after itself.
// None descend from 0, which kill takes for the caller's own group. A process
// group would not do: each backend of PostgreSQL leads its own.
func family(all []process, pid int) []process {
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

// freeze stops pid and its descendants and returns them once none of them runs
// any more. Two looks in a row must agree on that, since a process that was
// still running at the first may have had another child before it stopped.
func freeze(pid int) ([]process, error) {
	var members []process
	looks := 0
	err := until("the server to freeze", func() (bool, error) {
		all, err := processes()
		if err != nil {
			return false, err
		}
		members = family(all, pid)
		looks++
		for _, p := range members {
			if !p.stopped() {
				looks = 0
				err = errors.Join(err, send(p.pid, signalFreeze))
			}
		}
		return looks == 2, err
	})
	return members, err
}

// awaitEnd returns when none of the processes is left.
func awaitEnd(members []process) error {
	return until("the server to end", func() (bool, error) {
		all, err := processes()
		return !slices.ContainsFunc(all, func(p process) bool {
			return !p.ended() && slices.ContainsFunc(members, func(m process) bool { return m.pid == p.pid })
		}), err
	})
}

// patience is how long a server may take for anything at all.
const patience = time.Minute

// until returns when done does or fails, and with an error when it takes too
// long.
func until(what string, done func() (bool, error)) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("waited %v for %s", patience, what)
}
