package proc

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStatIsParsedForEveryName parses names that look like fields.
func TestStatIsParsedForEveryName(t *testing.T) {
	const rest = " S 7 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 100 0 0"
	for _, name := range []string{"(sh)", "(a b)", "(x) R 1 (y)", "()"} {
		s, err := parseStat([]byte("42 " + name + rest))
		if want := (stat{pid: 42, parent: 7, cpu: time.Second}); err != nil || s != want {
			t.Errorf("%s: %+v %v", name, s, err)
		}
	}
	for _, text := range []string{"", "42", "42 (sh) S 7",
		"42 (sh) S x 1 1 0 -1 1 1 2 3 4 10 20 30 40 20"} {
		if s, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q is parsed as %+v", text, s)
		}
	}
}

// TestTimeOfDescendantsCounts sums process trees, without other processes.
func TestTimeOfDescendantsCounts(t *testing.T) {
	all := []stat{{1, 0, 1}, {2, 1, 2}, {3, 2, 4}, {4, 3, 8}, {5, 1, 16}, {6, 3, 32}}
	if got := sum(all, []int{2}); got != 2+4+8+32 {
		t.Errorf("the process tree of 2 used %d", got)
	}
	if got := sum(all, []int{4, 5}); got != 8+16 {
		t.Errorf("4 and 5 used %d", got)
	}
}

// TestResidentMemoryIsInBytes parses a statm and reads that of this process.
func TestResidentMemoryIsInBytes(t *testing.T) {
	if got, err := parseStatm([]byte("1000 250 30 4 0 50 0\n")); err != nil ||
		got != 250*int64(os.Getpagesize()) {
		t.Errorf("%d %v", got, err)
	}
	if got, err := RSS(os.Getpid()); err != nil || got < 1<<20 || got > 1<<34 {
		t.Errorf("this process has %d bytes, %v", got, err)
	}
}

// TestProcessTimeIsMeasured uses CPU time in the child of a shell.
func TestProcessTimeIsMeasured(t *testing.T) {
	p, err := Start(exec.Command("sh", "-c", "(while :; do :; done) & wait"),
		func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	before, err := CPU(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	deadline, after := time.Now().Add(10*time.Second), before
	for after < before+50*time.Millisecond && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		if after, err = CPU(p.PID()); err != nil {
			t.Fatal(err)
		}
	}
	if after < before+50*time.Millisecond {
		t.Errorf("a loop used %v", after-before)
	}
	if err := exec.Command("sh", "-c", "kill $(cat /proc/"+strconv.Itoa(
		p.PID())+"/task/*/children)").Run(); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// TestFailedStartReportsStandardError starts a server that exits at once.
func TestFailedStartReportsStandardError(t *testing.T) {
	_, err := Start(exec.Command("sh", "-c", "echo no room >&2; exit 3"),
		func() error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.Contains(err.Error(), "no room") {
		t.Errorf("the error is %v", err)
	}
}
