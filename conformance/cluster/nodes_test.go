package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/cli"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
	"go.uber.org/goleak"
)

// asNode is the environment variable that makes this test binary run the latchkey command: its
// processes
// are the nodes.
const asNode = "LATCHKEY_TEST_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(asNode) != "" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// cluster is a set of nodes on one database and one Redis.
type cluster struct {
	*latchkey.Client // calls the first node, as the operator
	nodes            []*node
}

// settings are the settings of a cluster.
type settings struct {
	nodes           int
	database, redis string          // URLs
	flags           []string        // more flags for latchkey serve
	delays          []time.Duration // of the first nodes' links to the database, in one direction
}

// node is one process. It uses its own proxies to the database and Redis, so that a test can cut it
// off
// alone.
type node struct {
	*latchkey.Client
	URL             string
	cmd             *exec.Cmd
	args, env       []string
	database, redis *testenv.Proxy
	rootKey         string // printed by one node at the first start
	log             *logBuffer
	exited          chan error
}

// start starts all nodes of a cluster in parallel, on a possibly empty database.
func start(t *testing.T, s settings) *cluster {
	t.Helper()
	master := vault.NewMaster()
	c := &cluster{nodes: make([]*node, s.nodes)}
	var starting sync.WaitGroup
	for i := range c.nodes {
		c.nodes[i] = prepare(t, s, master)
		if i < len(s.delays) {
			c.nodes[i].database.Delay(s.delays[i])
		}
		starting.Go(func() { c.nodes[i].start(t) })
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	rootKey := c.operator(t)
	for _, n := range c.nodes {
		n.Client = connect(t, n.URL, rootKey)
	}
	c.Client = c.nodes[0].Client
	return c
}

// operator returns the root key of the operator, which exactly one node must have printed.
func (c *cluster) operator(t *testing.T) string {
	t.Helper()
	var created []string
	for _, n := range c.nodes {
		if n.rootKey != "" {
			created = append(created, n.rootKey)
		}
	}
	if len(created) != 1 {
		t.Fatalf("%d nodes of %d printed a first root key, want 1", len(created), len(c.nodes))
	}
	return created[0]
}

// any returns a random node.
func (c *cluster) any() *node { return c.nodes[rand.IntN(len(c.nodes))] }

// prepare configures a node. If the URL of the database has several hosts, no proxy of the node is
// in front of them.
func prepare(t *testing.T, s settings, master string) *node {
	t.Helper()
	n := &node{log: new(logBuffer)}
	n.args = []string{"serve", "--json", "--listen", "127.0.0.1:0", "--data", t.TempDir()}
	switch {
	case strings.Contains(hostOf(s.database), ","):
		n.args = append(n.args, "--database", s.database)
	case s.database != "":
		n.database = testenv.NewProxy(t, hostOf(s.database))
		n.args = append(n.args, "--database",
			strings.Replace(s.database, hostOf(s.database), n.database.Addr, 1))
	}
	if s.redis != "" {
		n.redis = testenv.NewProxy(t, hostOf(s.redis))
		n.args = append(n.args, "--redis",
			strings.Replace(s.redis, hostOf(s.redis), n.redis.Addr, 1))
	}
	n.args = append(n.args, s.flags...)
	n.env = append(os.Environ(), asNode+"=1", "GORACE=atexit_sleep_ms=0",
		"LATCHKEY_MASTER_KEY="+master)
	t.Cleanup(func() { n.kill() })
	return n
}

// hostOf returns host and port of a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[at+1:]
	}
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// start starts the process and waits for its URL. Later starts use the same address.
func (n *node) start(t *testing.T) {
	n.cmd = exec.Command(os.Args[0], n.args...)
	n.cmd.Env = n.env
	n.cmd.Stderr = n.log
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	n.exited = make(chan error, 1)
	var welcome struct{ URL, RootKey string }
	err = json.NewDecoder(bufio.NewReader(out)).Decode(&welcome)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(n.cmd, n.exited)
	if err != nil {
		t.Errorf("a node did not start: %v\n%s", err, n.log)
		return
	}
	n.URL, n.rootKey = welcome.URL, welcome.RootKey
	for i, arg := range n.args {
		if arg == "--listen" {
			n.args[i+1] = strings.TrimPrefix(n.URL, "http://")
		}
	}
}

// signal sends the process a signal.
func (n *node) signal(s os.Signal) { _ = n.cmd.Process.Signal(s) }

// wait waits until the process has exited, and returns its error.
func (n *node) wait() error {
	select {
	case err := <-n.exited:
		n.exited <- err
		return err
	case <-time.After(time.Minute):
		return errors.New("still running after a minute")
	}
}

// kill ends the process with SIGKILL.
func (n *node) kill() {
	if n.exited == nil {
		return
	}
	n.signal(syscall.SIGKILL)
	_ = n.wait()
}

// ready reports whether the node is ready.
func (n *node) ready() bool {
	r, err := (&http.Client{Timeout: time.Second}).Get(n.URL + "/health/ready")
	if err != nil {
		return false
	}
	defer r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// connect returns a client without retries.
func connect(t testing.TB, url, rootKey string) *latchkey.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := latchkey.New(latchkey.Config{
		BaseURL: url, RootKey: rootKey, Retry: latchkey.NoRetry, Timeout: 30 * time.Second,
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// logBuffer keeps the log of a process.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *logBuffer) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *logBuffer) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// newAPI creates an API.
func newAPI(t testing.TB, c *latchkey.Client) string {
	t.Helper()
	created, err := c.APIs.Create(context.WithoutCancel(t.Context()),
		latchkey.CreateAPIRequest{Name: "cluster"})
	if err != nil {
		t.Fatal(err)
	}
	return created.APIID
}

// newKey creates a key.
func newKey(t testing.TB, c *latchkey.Client, r latchkey.CreateKeyRequest) latchkey.CreatedKey {
	t.Helper()
	if r.APIID == "" {
		r.APIID = newAPI(t, c)
	}
	created, err := c.Keys.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// credits returns a balance without refills.
func credits(n int64) *latchkey.Credits {
	return &latchkey.Credits{Remaining: latchkey.Set(n)}
}

// name returns a unique name.
func name(what string) string { return fmt.Sprintf("%s_%016x", what, rand.Uint64()) }

// month is a window that seldom ends during a test.
var month = latchkey.Per(30 * 24 * time.Hour)

// metric returns the value of a metric without labels.
func (n *node) metric(t *testing.T, name string) float64 {
	t.Helper()
	r, err := http.Get(n.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
