package testenv

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asChild is set in the process that TestNothingOutlivesTheProcess kills.
const asChild = "LATCHKEY_TESTENV_CHILD"

// TestChild starts one of each and waits to be killed.
func TestChild(t *testing.T) {
	if os.Getenv(asChild) == "" {
		t.Skip("only the process that TestNothingOutlivesTheProcess kills runs this")
	}
	Postgres(t)
	Redis(t)
	frozen := StartPostgres(t)
	connect(t, frozen.URL)
	frozen.Freeze()
	StartPostgres(t).Kill()
	StartRedis(t).Freeze()
	fmt.Println("\nready")
	select {}
}

func TestNothingOutlivesTheProcess(t *testing.T) {
	if _, _, err := findPostgres(); err != nil {
		must(t, err)
	}
	t.Run("killed when all run", func(t *testing.T) {
		folder := publicFolder(t)
		child, output := startChild(t, folder)
		for output.Scan() && output.Text() != "ready" {
		}
		if n := len(inFolder(t, folder)); n < 10 { // five shells, four servers, and the backends of two
			t.Errorf("only %d processes have been started", n)
		}
		killChild(t, child)
		awaitNothing(t, folder)
	})
	t.Run("killed while they start", func(t *testing.T) {
		for range 3 {
			folder := publicFolder(t)
			child, _ := startChild(t, folder)
			time.Sleep(rand.N(2 * time.Second))
			killChild(t, child)
			awaitNothing(t, folder)
		}
	})
	t.Run("ended by the test's time limit", func(t *testing.T) {
		folder := publicFolder(t)
		child, _ := startChild(t, folder, "-test.timeout=3s")
		if err := child.Wait(); err == nil {
			t.Error("the time limit was not kept")
		}
		awaitNothing(t, folder)
	})
}

// publicFolder returns a temporary folder that other accounts can use too.
func publicFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "latchkey-orphans-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return folder
}

// startChild runs TestChild in a process whose servers live in the folder.
func startChild(t *testing.T, folder string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	child := exec.Command(os.Args[0], append(args, "-test.run=^TestChild$")...)
	child.Env = append(os.Environ(), asChild+"=1", "TMPDIR="+folder)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, bufio.NewScanner(output)
}

func killChild(t *testing.T, child *exec.Cmd) {
	t.Helper()
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it says that it was killed
}

// awaitNothing waits for all processes and all that is in the folder to go.
func awaitNothing(t *testing.T, folder string) {
	t.Helper()
	var processes, files []string
	err := until("everything to go", func() (bool, error) {
		processes = inFolder(t, folder)
		entries, err := filepath.Glob(folder + "/*")
		files = entries
		return len(processes)+len(files) == 0, err
	})
	if err != nil {
		t.Errorf("%v: left are the processes %v and the files %v", err, processes, files)
	}
}

// inFolder returns the ids of the processes that work somewhere in the folder.
func inFolder(t *testing.T, folder string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at, folder+"/") {
			found = append(found, strings.Split(link, "/")[2])
		}
	}
	return found
}

func TestKilledPostgresLeavesNoSharedMemory(t *testing.T) {
	var segment string
	t.Run("its test", func(t *testing.T) {
		s := StartPostgres(t)
		pidfile, err := os.ReadFile(filepath.Join(s.guard.folder, "data/postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		segment = strings.Fields(strings.Split(string(pidfile), "\n")[6])[1]
		if !hasSegment(t, segment) {
			t.Skip("this system doesn't list segments of shared memory")
		}
		s.Kill()
	})
	if segment != "" && hasSegment(t, segment) {
		t.Errorf("the segment %s is left", segment)
	}
}

func hasSegment(t *testing.T, id string) bool {
	t.Helper()
	table, _ := os.ReadFile("/proc/sysvipc/shm")
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == id {
			return true
		}
	}
	return false
}
