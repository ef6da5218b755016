package testenv

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProcessNamesCanContainAnything(t *testing.T) {
	for stat, want := range map[string]process{
		"7 (sh) S 1 7 7 0":              {7, 1, 'S'},
		"8 (a b) T 7 8 8 0":             {8, 7, 'T'},
		"9 (x) Z 3 (y) R 8 9 9 0":       {9, 8, 'R'},
		"10 (line\nbreak) Z 8 10 10 0 ": {10, 8, 'Z'},
	} {
		if got, ok := parseStat(stat); !ok || got != want {
			t.Errorf("%q: %v, %v, want %v", stat, got, ok, want)
		}
	}
	if got, ok := parseStat(""); ok {
		t.Errorf("an empty line was parsed as %v", got)
	}
}

func TestProcessTablesAgree(t *testing.T) {
	printed, err := parsePS(exec.Command("ps", "-A", "-o", "pid=,ppid=,state=").Output())
	if err != nil {
		t.Skipf("ps: %v", err)
	}
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	self := func(p process) bool { return p.pid == os.Getpid() && p.parent == os.Getppid() }
	if !slices.ContainsFunc(printed, self) || !slices.ContainsFunc(all, self) {
		t.Error("this process is not in both tables")
	}
}

func TestProcessTreeHasAllDescendants(t *testing.T) {
	all := []process{{pid: 5, parent: 9}, {pid: 1}, {pid: 9, parent: 2}, {pid: 2, parent: 1},
		{pid: 3, parent: 1}, {pid: 6, parent: 9}}
	var pids []int
	for _, p := range processTree(all, 2) {
		pids = append(pids, p.pid)
	}
	if diff := cmp.Diff([]int{2, 9, 5, 6}, pids); diff != "" {
		t.Error(diff)
	}
	if all := processTree(all, 0); len(all) > 0 {
		t.Errorf("process 0 has the descendants %v", all)
	}
}
