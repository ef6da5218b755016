package testenv

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// echo starts an echo server and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		tasks.Wait()
	})
	return listener.Addr().String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func writeText(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func expectText(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v, want %q", got, err, text)
	}
}

// expectSilence checks that the connection stays open without data for 100 ms.
func expectSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v, want a timeout", n, err)
	}
}

// expectClosed checks that the connection is closed.
func expectClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v, want a closed connection", n, err)
	}
}

func TestProxyForwardsEverything(t *testing.T) {
	leavesNoGoroutine(t)
	conn := dial(t, NewProxy(t, echo(t)).Addr)
	sent := bytes.Repeat([]byte("latchkey"), 1<<20)
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
}

func TestCutEndsConnectionsAndAcceptsNewOnes(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	first, second := dial(t, p.Addr), dial(t, p.Addr)
	for _, conn := range []net.Conn{first, second} {
		writeText(t, conn, "a")
		expectText(t, conn, "a")
	}
	p.Cut()
	expectClosed(t, first)
	expectClosed(t, second)
	next := dial(t, p.Addr)
	writeText(t, next, "b")
	expectText(t, next, "b")
}

func TestPartitionHoldsEverythingUntilHealed(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	old := dial(t, p.Addr)
	writeText(t, old, "a")
	expectText(t, old, "a")
	p.Partition()
	p.Partition() // idempotent
	writeText(t, old, "b")
	fresh := dial(t, p.Addr)
	writeText(t, fresh, "c")
	expectSilence(t, old)
	expectSilence(t, fresh)
	p.Heal()
	p.Heal()
	expectText(t, old, "b")
	expectText(t, fresh, "c")
}

func TestPartitionHidesTheServersClose(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := NewProxy(t, listener.Addr().String())
	client := dial(t, p.Addr)
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p.Partition()
	_ = server.Close()
	expectSilence(t, client)
	p.Heal()
	expectClosed(t, client)
}

func TestRefuseResetsAndRefuses(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	conn := dial(t, p.Addr)
	writeText(t, conn, "a")
	expectText(t, conn, "a")
	p.Refuse()
	p.Refuse()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the open connection: %v, want a reset", err)
	}
	if _, err := net.Dial("tcp", p.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, want refused", err)
	}
	p.Accept()
	p.Accept()
	conn = dial(t, p.Addr)
	writeText(t, conn, "b")
	expectText(t, conn, "b")
}

func TestProxyResetsClientsOfADeadServer(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", NewProxy(t, loopback(port)).Addr)
	if err != nil {
		return // the reset arrived before Dial returned
	}
	t.Cleanup(func() { _ = conn.Close() })
	expectClosed(t, conn)
}

// TestDelayIsLatencyNotThroughput sends many chunks in a row. Each must arrive two delays later,
// and all of them soon after the first.
func TestDelayIsLatencyNotThroughput(t *testing.T) {
	leavesNoGoroutine(t)
	const delay, chunks = 100 * time.Millisecond, 50
	p := NewProxy(t, echo(t))
	conn := dial(t, p.Addr)
	p.Delay(delay)
	begin := time.Now()
	for range chunks {
		writeText(t, conn, "a")
		time.Sleep(time.Millisecond)
	}
	expectText(t, conn, "a")
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("the first response took %v, want at least %v", took, 2*delay)
	}
	expectText(t, conn, strings.Repeat("a", chunks-1))
	if took := time.Since(begin); took > chunks*delay/2 {
		t.Errorf("all responses took %v: the chunks waited for each other", took)
	}
	p.Delay(0)
	begin = time.Now()
	writeText(t, conn, "b")
	expectText(t, conn, "b")
	if took := time.Since(begin); took >= 2*delay {
		t.Errorf("without delay a response took %v", took)
	}
}

func TestHooksSeeAndCut(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	requested, replied := make(chan string, 1), make(chan string, 1)
	p.OnClient(func(sent []byte) bool { requested <- string(sent); return string(sent) == "lost" })
	p.OnServer(func(sent []byte) bool { replied <- string(sent); return string(sent) == "cut" })

	conn := dial(t, p.Addr)
	writeText(t, conn, "hello")
	expectText(t, conn, "hello")
	if a, b := <-requested, <-replied; a != "hello" || b != "hello" {
		t.Errorf("the hooks saw %q and %q", a, b)
	}
	writeText(t, conn, "lost")
	expectClosed(t, conn)
	if a := <-requested; a != "lost" || len(replied) > 0 {
		t.Errorf("the hook saw %q; the server got it: %v", a, len(replied) > 0)
	}
	conn = dial(t, p.Addr)
	writeText(t, conn, "cut")
	expectClosed(t, conn)
	if a, b := <-requested, <-replied; a != "cut" || b != "cut" {
		t.Errorf("the hooks saw %q and %q", a, b)
	}
	p.OnClient(nil)
	p.OnServer(nil)
	conn = dial(t, p.Addr)
	writeText(t, conn, "lost")
	expectText(t, conn, "lost")
}

func TestHookCanUseItsProxy(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	p.OnClient(func([]byte) bool { p.Refuse(); return false })
	conn := dial(t, p.Addr)
	writeText(t, conn, "a")
	expectClosed(t, conn)
}

func TestProxyClosesWithDataInTransit(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	p.Delay(time.Hour)
	writeText(t, dial(t, p.Addr), "a")
	p.Partition()
	writeText(t, dial(t, p.Addr), "b")
}

// TestCommitCanBeCutInEitherDirection shows the purpose of hooks: the client gets the same error
// whether the transaction was committed or not.
func TestCommitCanBeCutInEitherDirection(t *testing.T) {
	dsn := Postgres(t)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := NewProxy(t, loopback(int(config.Port)))
	proxied := strings.Replace(dsn, loopback(int(config.Port)), p.Addr, 1)
	direct := connect(t, dsn)
	mustExec(t, direct, "CREATE TABLE things (id BIGINT)")

	atCommit := func(sent []byte) bool {
		return bytes.Contains(bytes.ToUpper(sent),
			[]byte("COMMIT"))
	}
	for id, hook := range []func(func([]byte) bool){p.OnClient, p.OnServer} {
		hook(atCommit)
		tx, err := connect(t, proxied).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "INSERT INTO things VALUES ($1)", id); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err == nil {
			t.Error("a cut commit was confirmed")
		}
		hook(nil)
	}
	var committed []int
	rows, err := direct.Query(t.Context(), "SELECT id FROM things")
	if err == nil {
		committed, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if err != nil || len(committed) != 1 || committed[0] != fromServer {
		t.Errorf("committed: %v, %v; want only the one whose response was cut", committed, err)
	}
}
