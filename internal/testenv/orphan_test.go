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

// asChild is the environment variable of the process that TestNothingOutlivesTheProcess kills.
const asChild = "LATCHKEY_TESTENV_CHILD"

// TestChild starts servers of every kind and waits to be killed.
func TestChild(t *testing.T) {
	if os.Getenv(asChild) == "" {
		t.Skip("runs only as the child of TestNothingOutlivesTheProcess")
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
	t.Parallel()
	if _, _, err := findPostgres(); err != nil {
		must(t, err)
	}
	t.Run("killed after the start of all servers", func(t *testing.T) {
		t.Parallel()
		folder := publicFolder(t)
		child, output := startChild(t, folder)
		for output.Scan() && output.Text() != "ready" {
		}
		// five shells, four servers, and the backends of two
		if n := len(processesIn(t, folder)); n < 10 {
			t.Errorf("%d processes were started, want at least 10", n)
		}
		killChild(t, child)
		awaitNothing(t, folder)
	})
	t.Run("killed while servers start", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			folder := publicFolder(t)
			child, _ := startChild(t, folder)
			time.Sleep(rand.N(2 * time.Second))
			killChild(t, child)
			awaitNothing(t, folder)
		}
	})
	t.Run("ended by the test's time limit", func(t *testing.T) {
		t.Parallel()
		folder := publicFolder(t)
		child, _ := startChild(t, folder, "-test.timeout=3s")
		if err := child.Wait(); err == nil {
			t.Error("the child exceeded its time limit")
		}
		awaitNothing(t, folder)
	})
}

// publicFolder returns a temporary folder that every account can use.
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

// startChild runs TestChild in a process whose servers use the folder.
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
	_ = child.Wait() // returns that it was killed
}

// awaitNothing waits until no process works in the folder and the folder is empty.
func awaitNothing(t *testing.T, folder string) {
	t.Helper()
	var processes, files []string
	err := waitFor("the cleanup", func() (bool, error) {
		processes = processesIn(t, folder)
		entries, err := filepath.Glob(folder + "/*")
		files = entries
		return len(processes)+len(files) == 0, err
	})
	if err != nil {
		t.Errorf("%v: processes %v and files %v are left", err, processes, files)
	}
}

// processesIn returns the ids of the processes with a working directory inside the folder.
func processesIn(t *testing.T, folder string) []string {
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
	t.Parallel()
	var segment string
	t.Run("its test", func(t *testing.T) {
		s := StartPostgres(t)
		pidfile, err := os.ReadFile(filepath.Join(s.supervisor.folder, "data/postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		segment = strings.Fields(strings.Split(string(pidfile), "\n")[6])[1]
		if !hasSegment(t, segment) {
			t.Skip("this system does not list shared memory segments")
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
