package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"go.uber.org/goleak"
)

// serveFolder names, in the environment, the data folder that this test binary
// serves instead of running tests: a real process that can be killed.
const (
	serveFolder   = "LATCHKEY_TEST_SERVE"
	serveDatabase = "LATCHKEY_TEST_SERVE_DATABASE" // and the database to it, if there is one
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveFolder); dir != "" {
		serve(dir)
	}
	// it only sleeps, for a second
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// serve runs the service on a folder until the process is killed.
func serve(dir string) {
	s, err := Open(context.Background(), Config{Data: dir, Database: os.Getenv(serveDatabase)})
	if err == nil {
		var listener net.Listener
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			fmt.Println("http://" + listener.Addr().String())
			err = http.Serve(listener, s.Handler)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// process is a service in a process of its own.
type process struct {
	*latchkey.Client
	cmd *exec.Cmd
}

func startProcess(t *testing.T, dir string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveFolder+"="+dir, serveDatabase+"="+quiet(dir).Database)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	rootKey, err := os.ReadFile(dir + "/" + RootKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := latchkey.New(latchkey.Config{
		BaseURL: strings.TrimSpace(url), RootKey: strings.TrimSpace(string(rootKey)),
		HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	return process{c, cmd}
}

// kill ends the process with SIGKILL, which spares what the kernel has yet to
// write, and waits until it is gone. Module powercut tests power failures.
func (p process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// killAmid has many clients call again and again, and kills the process amid the
// calls once enough have succeeded. A call that fails ends its client, as the
// process is then gone. It returns when all clients have ended.
func (p process) killAmid(enough int64, call func() error) {
	const clients = 64
	var succeeded atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for call() == nil {
				succeeded.Add(1)
			}
		})
	}
	deadline := time.Now().Add(time.Minute)
	for succeeded.Load() < enough && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	p.kill()
	wg.Wait()
}

func (p process) newAPI(t *testing.T) string {
	t.Helper()
	api, err := p.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "kill"})
	if err != nil {
		t.Fatal(err)
	}
	return api.APIID
}

// TestCreditsSurviveKill kills the process again and again while 64 clients
// spend. What was answered VALID must have been spent, and nothing more than
// what was asked for: the difference is at most the requests under way.
func TestCreditsSurviveKill(t *testing.T) {
	const rounds, credits = 10, 1_000_000
	ctx := t.Context()
	dir := newDir(t)
	p := startProcess(t, dir)
	key, err := p.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: p.newAPI(t), Credits: &latchkey.Credits{Remaining: latchkey.Int(credits)},
	})
	if err != nil {
		t.Fatal(err)
	}
	left := int64(credits)
	for round := range rounds {
		var sent, valid atomic.Int64
		p.killAmid(int64(50+round*17), func() error {
			sent.Add(1)
			v, err := p.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key})
			switch {
			case err != nil:
				return err
			case !v.Valid:
				t.Errorf("round %d: %s with %d credits", round, v.Code, v.Credits.Or(-1))
				return errors.New("refused")
			}
			valid.Add(1)
			return nil
		})
		p = startProcess(t, dir)
		got, err := p.Keys.Get(ctx, latchkey.GetKeyRequest{KeyID: key.KeyID})
		if err != nil {
			t.Fatal(err)
		}
		balance := got.Credits.Remaining.Or(-1)
		spent := left - balance
		t.Logf("round %d: %d answered VALID, %d sent, %d spent", round, valid.Load(), sent.Load(), spent)
		if valid.Load() == 0 || spent < valid.Load() || spent > sent.Load() {
			t.Fatalf("round %d: %d answered VALID, %d sent, but %d spent", round, valid.Load(), sent.Load(),
				spent)
		}
		left = balance
	}
}

// TestKilledAmidCreationEveryKeyHasItsAuditRecord: a key and the record of its
// creation are committed together, so no moment of a power failure parts them.
// What was answered is there.
func TestKilledAmidCreationEveryKeyHasItsAuditRecord(t *testing.T) {
	const rounds = 5
	ctx := t.Context()
	dir := newDir(t)
	p := startProcess(t, dir)
	api := p.newAPI(t)
	var answered sync.Map // ids of keys
	for round := range rounds {
		p.killAmid(int64(50+round*17), func() error {
			key, err := p.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: api})
			if err == nil {
				answered.Store(key.KeyID, true)
			}
			return err
		})
		p = startProcess(t, dir)
	}
	records := map[string]int{}
	for log, err := range p.AuditLogs.All(ctx, latchkey.ListAuditLogsRequest{Event: "key.create"}) {
		if err != nil {
			t.Fatal(err)
		}
		records[log.Targets[0].ID]++
	}
	keys := 0
	for key, err := range p.APIs.AllKeys(ctx, latchkey.ListKeysRequest{APIID: api}) {
		if err != nil {
			t.Fatal(err)
		}
		if n := records[key.KeyID]; n != 1 {
			t.Errorf("the key %s has %d records", key.KeyID, n)
		}
		answered.Delete(key.KeyID)
		keys++
	}
	t.Logf("%d keys, %d records", keys, len(records))
	answered.Range(func(id, _ any) bool {
		t.Errorf("the key %s was answered and is gone", id)
		return true
	})
}
