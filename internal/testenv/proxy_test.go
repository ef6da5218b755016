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

// echo starts a server that answers with what it gets, and returns its address.
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

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("heard %q, %v, want %q", got, err, text)
	}
}

// hearNothing makes sure that the connection stays open and silent for a while.
func hearNothing(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %d bytes, %v, want silence", n, err)
	}
}

// hearEnd makes sure that the connection is over.
func hearEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := conn.Read(make([]byte, 1))
	if n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %d bytes, %v, want the end", n, err)
	}
}

func TestProxyPassesOnEverything(t *testing.T) {
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
		say(t, conn, "a")
		hear(t, conn, "a")
	}
	p.Cut()
	hearEnd(t, first)
	hearEnd(t, second)
	next := dial(t, p.Addr)
	say(t, next, "b")
	hear(t, next, "b")
}

func TestPartitionHoldsEverythingUntilHealed(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	old := dial(t, p.Addr)
	say(t, old, "a")
	hear(t, old, "a")
	p.Partition()
	p.Partition() // once more changes nothing
	say(t, old, "b")
	fresh := dial(t, p.Addr)
	say(t, fresh, "c")
	hearNothing(t, old)
	hearNothing(t, fresh)
	p.Heal()
	p.Heal()
	hear(t, old, "b")
	hear(t, fresh, "c")
}

func TestPartitionHidesThatTheServerIsGone(t *testing.T) {
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
	hearNothing(t, client)
	p.Heal()
	hearEnd(t, client)
}

func TestRefuseResetsAndRefuses(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	conn := dial(t, p.Addr)
	say(t, conn, "a")
	hear(t, conn, "a")
	p.Refuse()
	p.Refuse()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the open connection: %v, want a reset", err)
	}
	if _, err := net.Dial("tcp", p.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, want that it is refused", err)
	}
	p.Accept()
	p.Accept()
	conn = dial(t, p.Addr)
	say(t, conn, "b")
	hear(t, conn, "b")
}

func TestProxyResetsClientsOfADeadServer(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", NewProxy(t, loopback(port)).Addr)
	if err != nil {
		return // the reset came before the system had told that the connection is made
	}
	t.Cleanup(func() { _ = conn.Close() })
	hearEnd(t, conn)
}

// TestDelayIsLatencyNotThroughput sends many pieces one after the other: each
// arrives two delays later, and all together hardly after that.
func TestDelayIsLatencyNotThroughput(t *testing.T) {
	leavesNoGoroutine(t)
	const delay, pieces = 100 * time.Millisecond, 50
	p := NewProxy(t, echo(t))
	conn := dial(t, p.Addr)
	p.Delay(delay)
	begin := time.Now()
	for range pieces {
		say(t, conn, "a")
		time.Sleep(time.Millisecond)
	}
	hear(t, conn, "a")
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("the first answer took %v, want at least %v", took, 2*delay)
	}
	hear(t, conn, strings.Repeat("a", pieces-1))
	if took := time.Since(begin); took > pieces*delay/2 {
		t.Errorf("all answers took %v: the pieces waited for each other", took)
	}
	p.Delay(0)
	begin = time.Now()
	say(t, conn, "b")
	hear(t, conn, "b")
	if took := time.Since(begin); took >= 2*delay {
		t.Errorf("without delay an answer took %v", took)
	}
}

func TestHooksSeeAndCut(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	asked, answered := make(chan string, 1), make(chan string, 1)
	p.OnClient(func(sent []byte) bool { asked <- string(sent); return string(sent) == "lost" })
	p.OnServer(func(sent []byte) bool { answered <- string(sent); return string(sent) == "unheard" })

	conn := dial(t, p.Addr)
	say(t, conn, "hello")
	hear(t, conn, "hello")
	if a, b := <-asked, <-answered; a != "hello" || b != "hello" {
		t.Errorf("the hooks saw %q and %q", a, b)
	}
	say(t, conn, "lost")
	hearEnd(t, conn)
	if a := <-asked; a != "lost" || len(answered) > 0 {
		t.Errorf("the hook saw %q; the server got it: %v", a, len(answered) > 0)
	}
	conn = dial(t, p.Addr)
	say(t, conn, "unheard")
	hearEnd(t, conn)
	if a, b := <-asked, <-answered; a != "unheard" || b != "unheard" {
		t.Errorf("the hooks saw %q and %q", a, b)
	}
	p.OnClient(nil)
	p.OnServer(nil)
	conn = dial(t, p.Addr)
	say(t, conn, "lost")
	hear(t, conn, "lost")
}

func TestHookMayUseItsProxy(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	p.OnClient(func([]byte) bool { p.Refuse(); return false })
	conn := dial(t, p.Addr)
	say(t, conn, "a")
	hearEnd(t, conn)
}

func TestProxyEndsWithItsTestWhateverItHolds(t *testing.T) {
	leavesNoGoroutine(t)
	p := NewProxy(t, echo(t))
	p.Delay(time.Hour)
	say(t, dial(t, p.Addr), "a")
	p.Partition()
	say(t, dial(t, p.Addr), "b")
}

// TestCommitCanBeCutOnEitherWay is what the hooks are for: the client sees the
// same failure whether its change was made or not.
func TestCommitCanBeCutOnEitherWay(t *testing.T) {
	dsn := Postgres(t)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := NewProxy(t, loopback(int(config.Port)))
	proxied := strings.Replace(dsn, loopback(int(config.Port)), p.Addr, 1)
	direct := connect(t, dsn)
	mustExec(t, direct, "CREATE TABLE things (id BIGINT)")

	atCommit := func(sent []byte) bool { return bytes.Contains(bytes.ToUpper(sent), []byte("COMMIT")) }
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
			t.Error("a commit that was cut has been confirmed")
		}
		hook(nil)
	}
	var made []int
	rows, err := direct.Query(t.Context(), "SELECT id FROM things")
	if err == nil {
		made, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if err != nil || len(made) != 1 || made[0] != fromServer {
		t.Errorf("made were %v, %v; want only the one whose answer was lost", made, err)
	}
}
