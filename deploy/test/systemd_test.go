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

// unit returns the unit file with a program that exists on every machine.
func unit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../systemd/latchkey.service")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "/usr/local/bin/latchkey", "/bin/true")
}

// TestUnitIsValid checks the unit with systemd-analyze. The exposure level must be at most
// 1.2 of 10.
func TestUnitIsValid(t *testing.T) {
	analyze, file := need(t, "systemd-analyze"), write(t, "latchkey.service", unit(t))
	if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil ||
		len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	security := exec.Command(analyze, "security", "--offline=true", "--threshold=12",
		"--no-pager", file)
	if out, err := security.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestUnitAllowsWhatTheProgramDoes traces the program from start to exit and checks every
// system call against the unit's restrictions.
func TestUnitAllowsWhatTheProgramDoes(t *testing.T) {
	need(t, "systemd-analyze")
	strace := need(t, "strace")
	program, err := latchkey()
	if err != nil {
		t.Fatal(err)
	}
	addr, data, trace := freeAddress(t), t.TempDir(), filepath.Join(t.TempDir(), "trace")
	p := start(t, strace, "-f", "-qq", "-o", trace, program, "--json", "serve", "--listen", addr,
		"--data", data)
	eventually(t, "the node responds", func() bool {
		res, err := http.Get("http://" + addr + "/v2/liveness")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	_ = syscall.Kill(-p.Process.Pid, syscall.SIGTERM) // strace exits with the traced program
	<-p.exited
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	checkCalls(t, string(text), permitted(t))
	checkArguments(t, string(text), data)
}

// checkCalls fails the test for system calls that the unit's filter denies. It ignores
// fchown if the test runs as root, because SQLite calls fchown only as root.
func checkCalls(t *testing.T, trace string, permitted map[string]bool) {
	t.Helper()
	calls := regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(trace, -1)
	if len(calls) < 100 {
		t.Fatalf("only %d calls were traced:\n%s", len(calls), trace)
	}
	denied := map[string]bool{}
	for _, call := range calls {
		denied[call[1]] = !permitted[call[1]]
	}
	for call, is := range denied {
		if is && !(call == "fchown" && os.Geteuid() == 0) {
			t.Errorf("the program calls %s, which the unit denies", call)
		}
	}
}

// checkArguments fails the test for memory that is both writable and executable, for sockets
// of other families, and for files written outside the data folder.
func checkArguments(t *testing.T, trace, data string) {
	t.Helper()
	for what, bad := range map[string]*regexp.Regexp{
		"memory":   regexp.MustCompile(`m(?:map|protect)\([^\n]*PROT_WRITE\|PROT_EXEC`),
		"a socket": regexp.MustCompile(`socket\(AF_(?:NETLINK|PACKET)`),
	} {
		if found := bad.FindString(trace); found != "" {
			t.Errorf("%s: %s", what, found)
		}
	}
	writes := regexp.MustCompile(`openat\(\w+, "([^"]+)", [^)\n]*O_(?:WRONLY|RDWR|CREAT)`)
	for _, file := range writes.FindAllStringSubmatch(trace, -1) {
		if !strings.HasPrefix(file[1], data) && file[1] != "/dev/null" {
			t.Errorf("the program writes %s", file[1])
		}
	}
}

// permitted returns the system calls that the unit's filter allows: systemd's own sets,
// added and removed as the unit says.
func permitted(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager").Output()
	if err != nil {
		t.Fatal(err)
	}
	sets := map[string][]string{}
	listed := regexp.MustCompile(`(?m)^@[\w-]+(?:\n +\S.*)+`)
	for _, set := range listed.FindAllString(string(out), -1) {
		lines := strings.Split(set, "\n")
		sets[lines[0]] = lines[1:]
	}
	calls := map[string]bool{}
	filter := regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.+)`)
	for _, line := range filter.FindAllStringSubmatch(unit(t), -1) {
		for _, set := range strings.Fields(line[2]) {
			fill(calls, sets, set, line[1] == "")
		}
	}
	fill(calls, sets, "@default", true)
	return calls
}

// fill marks a system call, or all calls of a set, as permitted or not.
func fill(calls map[string]bool, sets map[string][]string, name string, permitted bool) {
	if !strings.HasPrefix(name, "@") {
		calls[name] = permitted
		return
	}
	for _, member := range sets[name] {
		fill(calls, sets, strings.TrimSpace(member), permitted)
	}
}
