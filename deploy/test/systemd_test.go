package test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// unit is the example with a program that is there.
func unit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../systemd/latchkey.service")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "/usr/local/bin/latchkey", "/bin/true")
}

// TestUnitIsValid asks systemd, and holds how exposed it finds the service: of
// 10, at most 1.2.
func TestUnitIsValid(t *testing.T) {
	analyze, file := need(t, "systemd-analyze"), write(t, "latchkey.service", unit(t))
	if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=12", "--no-pager", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestUnitAllowsWhatTheProgramDoes traces the program from its start to its end
// and holds every call against the unit's restrictions.
func TestUnitAllowsWhatTheProgramDoes(t *testing.T) {
	need(t, "systemd-analyze")
	strace := need(t, "strace")
	program, err := latchkey()
	if err != nil {
		t.Fatal(err)
	}
	addr, data, trace := freeAddress(t), t.TempDir(), filepath.Join(t.TempDir(), "trace")
	p := start(t, strace, "-f", "-qq", "-o", trace, program, "--json", "serve", "--listen", addr, "--data", data)
	eventually(t, "the node answers", func() bool {
		answer, err := http.Get("http://" + addr + "/v2/liveness")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	_ = syscall.Kill(-p.Process.Pid, syscall.SIGTERM) // strace waits for what it traces
	<-p.gone
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	holdCalls(t, string(text), permitted(t))
	holdArguments(t, string(text), data)
}

// holdCalls fails for calls that the unit's filter refuses. SQLite calls fchown
// as root only, which the unit's user isn't but the one of this test may be.
func holdCalls(t *testing.T, trace string, permitted map[string]bool) {
	t.Helper()
	calls := regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(trace, -1)
	if len(calls) < 100 {
		t.Fatalf("only %d calls were traced:\n%s", len(calls), trace)
	}
	refused := map[string]bool{}
	for _, call := range calls {
		refused[call[1]] = !permitted[call[1]]
	}
	for call, is := range refused {
		if is && !(call == "fchown" && os.Geteuid() == 0) {
			t.Errorf("the program calls %s, and the unit refuses it", call)
		}
	}
}

// holdArguments fails for memory that can be written and run, sockets of other
// families, and files that are written outside of the data folder.
func holdArguments(t *testing.T, trace, data string) {
	t.Helper()
	for what, bad := range map[string]*regexp.Regexp{
		"memory":   regexp.MustCompile(`m(?:map|protect)\([^\n]*PROT_WRITE\|PROT_EXEC`),
		"a socket": regexp.MustCompile(`socket\(AF_(?:NETLINK|PACKET)`),
	} {
		if found := bad.FindString(trace); found != "" {
			t.Errorf("%s: %s", what, found)
		}
	}
	for _, file := range regexp.MustCompile(`openat\(\w+, "([^"]+)", [^)\n]*O_(?:WRONLY|RDWR|CREAT)`).FindAllStringSubmatch(trace, -1) {
		if !strings.HasPrefix(file[1], data) && file[1] != "/dev/null" {
			t.Errorf("the program writes %s", file[1])
		}
	}
}

// permitted are the system calls that the unit's filter lets through: systemd's
// own lists, added and taken away as the unit's lines say.
func permitted(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager").Output()
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string][]string{}
	for _, set := range regexp.MustCompile(`(?m)^@[\w-]+(?:\n +\S.*)+`).FindAllString(string(out), -1) {
		lines := strings.Split(set, "\n")
		sets[lines[0]] = lines[1:]
	}
	calls := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.+)`).FindAllStringSubmatch(unit(t), -1) {
		for _, set := range strings.Fields(line[2]) {
			fill(calls, sets, set, line[1] == "")
		}
	}
	fill(calls, sets, "@default", true)
	return calls
}

// fill says of a call, or of all in a set, whether it is permitted.
func fill(calls map[string]bool, sets map[string][]string, name string, permitted bool) {
	if !strings.HasPrefix(name, "@") {
		calls[name] = permitted
		return
	}
	for _, member := range sets[name] {
		fill(calls, sets, strings.TrimSpace(member), permitted)
	}
}
