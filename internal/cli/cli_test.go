package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// hasty keeps programs built with the race detector, which ours are when the
// tests are, from sleeping for a second before they exit.
const hasty = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"latchkey": func() { os.Exit(watchedMain(os.Args[1:])) }})
}

// secretsFile is the variable that names a file in which a command of a script
// leaves the secrets that it wrote to standard error.
const secretsFile = "LATCHKEY_TEST_SECRETS"

// secret matches whole root keys and master keys.
var secret = regexp.MustCompile(`latchkey_[1-9A-Za-z]{20,}|lkm_[\w-]{43}`)

// watchedMain is Main with a look at what goes to standard error, where no
// secret belongs.
func watchedMain(args []string) int {
	stderr := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	os.Stderr = w
	var said bytes.Buffer
	var copied sync.WaitGroup
	copied.Go(func() { _, _ = io.Copy(io.MultiWriter(stderr, &said), r) })
	status := Main(args)
	w.Close()
	copied.Wait()
	if found := secret.Find(said.Bytes()); found != nil {
		if err := os.WriteFile(os.Getenv(secretsFile), found, 0o600); err != nil {
			panic(err)
		}
	}
	return status
}

// TestScripts runs testdata/*.txtar: each is a session at the command line, with
// real processes. Besides the usual commands there are
//
//	serve [ARGUMENT…]      start latchkey serve on a free port and wait until it answers
//	signal TERM|INT|KILL   send the service a signal and wait until it is gone
//	remember NAME          set a variable to the last line of the last output
//
// No command may write a root key or a master key to standard error.
//
// After serve, LATCHKEY_URL names the service, and serve.out and serve.err hold
// what it printed.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": scriptServe, "signal": scriptSignal, "remember": scriptRemember,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("LATCHKEY_DATA", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Vars = append(env.Vars, hasty)
			secrets := filepath.Join(env.WorkDir, ".secrets")
			env.Setenv(secretsFile, secrets)
			env.Defer(func() {
				if found, err := os.ReadFile(secrets); err == nil {
					t.Errorf("%s: a command wrote the secret %s to standard error", filepath.Base(env.WorkDir),
						found)
				}
			})
			env.Values[serviceKey{}] = new(*service)
			return writeSamples(env.WorkDir)
		},
	})
}

// writeSamples writes the samples of docs/moving.md: the commands into moving.sh, and the file
// that they import.
func writeSamples(dir string) error {
	page, err := os.ReadFile("../../docs/moving.md")
	if err != nil {
		return err
	}
	files := map[string]string{"sh": "moving.sh", "csv": "moving.csv"}
	texts := map[string]string{}
	for _, block := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").
		FindAllStringSubmatch(string(page), -1) {
		if files[block[1]] == "" {
			return fmt.Errorf("docs/moving.md: a sample of %s is not run", block[1])
		}
		texts[files[block[1]]] += block[2]
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

type serviceKey struct{}

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	var env []string
	for _, name := range []string{
		"LATCHKEY_DATA", "LATCHKEY_MASTER_KEY", "LATCHKEY_MASTER_KEY_FILE", "LATCHKEY_DEBUG",
		"LATCHKEY_GATES", secretsFile,
	} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	s, err := startService(ts.MkAbs("."), env, args...)
	ts.Check(err)
	ts.Defer(func() { _ = s.end(syscall.SIGKILL) })
	ts.Setenv("LATCHKEY_URL", s.url)
	*ts.Value(serviceKey{}).(**service) = s
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL,
	}
	s := *ts.Value(serviceKey{}).(**service)
	if err := s.end(signals[args[0]]); err != nil && args[0] != "KILL" {
		ts.Fatalf("the service ended with %v: %s", err, ts.ReadFile("serve.err"))
	}
}

func scriptRemember(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	ts.Setenv(args[0], lines[len(lines)-1])
}

// service is latchkey serve in a process of its own.
type service struct {
	cmd  *exec.Cmd
	url  string
	gone chan struct{}
	err  error // how it ended, once it is gone
}

var answersAt = regexp.MustCompile(`(https?|unix)://[^\s"]+`)

// tick is the time between two looks at a service.
const tick = 5 * time.Millisecond

// startService starts latchkey serve and waits until it says where it answers.
func startService(dir string, env []string, args ...string) (*service, error) {
	s := &service{
		cmd:  exec.Command("latchkey", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...),
		gone: make(chan struct{}),
	}
	s.cmd.Dir, s.cmd.Env = dir, append(append(os.Environ(), hasty), env...)
	out, errOut := filepath.Join(dir, "serve.out"), filepath.Join(dir, "serve.err")
	for file, to := range map[string]*io.Writer{out: &s.cmd.Stdout, errOut: &s.cmd.Stderr} {
		f, err := os.Create(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		*to = f
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.err = s.cmd.Wait(); close(s.gone) }()
	return s, s.await(out, errOut)
}

func (s *service) await(out, errOut string) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(tick) {
		text, err := os.ReadFile(out)
		if err != nil {
			return err
		}
		log, err := os.ReadFile(errOut)
		if err != nil {
			return err
		}
		s.url = string(answersAt.Find(text))
		if s.url != "" && bytes.Contains(log, []byte("started")) { // the log is copied, so it is later
			return nil
		}
		select {
		case <-s.gone:
			text, _ := os.ReadFile(errOut)
			return fmt.Errorf("the service did not start: %w: %s", s.err, text)
		default:
		}
	}
	return errors.New("the service does not say where it answers")
}

// end sends a signal and returns how the process ended.
func (s *service) end(signal syscall.Signal) error {
	_ = s.cmd.Process.Signal(signal) // it may be gone already
	select {
	case <-s.gone:
		return s.err
	case <-time.After(20 * time.Second):
		return errors.New("the service does not end")
	}
}

// begun is a service with one request under way: all of it is sent but its end.
func begun(t *testing.T) (*service, net.Conn) {
	t.Helper()
	dir := t.TempDir()
	s, err := startService(dir, []string{"LATCHKEY_DATA=" + filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.end(syscall.SIGKILL) })
	key, err := os.ReadFile(filepath.Join(dir, "data", "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v2/apis.createApi HTTP/1.1\r\nHost: x\r\n"+
		"Content-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: 17\r\n\r\n"+
		"{\"name\":", bytes.TrimSpace(key))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // until the request has surely been taken up
	return s, conn
}

// refuses waits until the service accepts no more connections.
func (s *service) refuses(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(tick) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("the service goes on accepting connections")
}

func TestSignalLetsRequestsUnderWayFinish(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) { finishesAfter(t, signal) })
	}
}

func finishesAfter(t *testing.T, signal syscall.Signal) {
	s, conn := begun(t)
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := s.end(signal); err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	s.refuses(t)
	if _, err := io.WriteString(conn, `"an api"}`); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the request under way was answered %d", res.StatusCode)
	}
	ended.Wait()
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	s, _ := begun(t)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.refuses(t)
	var exit *exec.ExitError
	if err := s.end(syscall.SIGTERM); !errors.As(err, &exit) ||
		exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want the signal", err)
	}
}
