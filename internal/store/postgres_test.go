package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	neturl "net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// Without one, our default applies.
func TestSettingsOfTheURLApply(t *testing.T) {
	where := testenv.Postgres(t)
	for url, want := range map[string]string{
		where:                             "2s",
		where + "&statement_timeout=1234": "1234ms",
	} {
		db := open(t, url+"&pool_max_conns=3")
		var got string
		if err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			return tx.on.QueryRowContext(ctx, "SHOW statement_timeout").Scan(&got)
		}); err != nil || got != want {
			t.Errorf("statement_timeout is %q, want %q (%v)", got, want, err)
		}
		if most := db.Stats().MaxOpenConnections; most != 3 {
			t.Errorf("the pool has up to %d connections", most)
		}
	}
}

func TestErrorsNeverContainThePassword(t *testing.T) {
	for _, where := range []string{
		"postgres://user:hunter2@127.0.0.1:1/name",
		"postgres://user:hunter2%zz@127.0.0.1:1/name",
		"postgres://user:hunter2@127.0.0.1:port/name",
		"postgres://user:hunter2@127.0.0.1:1/name?sslmode=nonsense",
		"postgres://user:hunter2@127.0.0.1:1/name?pool_max_conns=many",
		"postgres://127.0.0.1:1/name?user=user&password=hunter2&sslmode=nonsense",
		"postgres://user:hunter2@[::1/name",
		"postgresql://user:hunter2/3@127.0.0.1:1/name",
	} {
		_, err := Open(t.Context(), where)
		_, err2 := MigrationStatus(t.Context(), where)
		_, err3 := Copy(t.Context(), where, where, nil)
		for _, err := range []error{err, err2, err3} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		}
	}
}

// As duplicates, or as an unavailable database.
func TestErrorsAreClassified(t *testing.T) {
	state := func(code string) error {
		return fmt.Errorf("noun: %w", &pgconn.PgError{Code: code, Severity: "ERROR"})
	}
	for _, err := range []error{
		state("57P01"), state("57P02"), state("57P03"), state("08006"), state("53300"),
		state("25006"), state("57014"), state("55P03"),
		fmt.Errorf("x: %w", ErrUnknownOutcome), io.ErrUnexpectedEOF, driver.ErrBadConn,
		context.DeadlineExceeded,
		&net.OpError{Op: "read", Err: errors.New("connection reset by peer")},
	} {
		if !IsUnavailable(err) || isDuplicate(err) {
			t.Errorf("%v: unavailable %v, duplicate %v", err, IsUnavailable(err), isDuplicate(err))
		}
	}
	for _, err := range []error{
		nil, ErrNotFound, ErrClosed, ErrLocked, context.Canceled, state("23505"), state("22003"),
		state("42601"), errors.New("no"),
	} {
		if IsUnavailable(err) {
			t.Errorf("%v says that the database is out of reach", err)
		}
	}
	if !isDuplicate(state("23505")) || isDuplicate(state("23502")) || isDuplicate(nil) {
		t.Error("a duplicate is not what it should be")
	}
}

func TestAMissingDatabaseIsUnavailable(t *testing.T) {
	if _, err := Open(t.Context(), "postgres://user@127.0.0.1:1/name"); !IsUnavailable(err) {
		t.Errorf("error %v", err)
	}
}

// A pooler in transaction mode needs them.
func TestOtherQueryModesWork(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			db := open(t, testenv.Postgres(t)+"&default_query_exec_mode="+mode)
			everyQuery(t, db)
		})
	}
}

// A read on a broken connection is retried on another one, even if all connections of
// the pool are broken.
func TestReadsSurviveCutConnections(t *testing.T) {
	t.Parallel()
	url := testenv.Postgres(t)
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.NewProxy(t, u.Host)
	db := open(t, strings.Replace(url, u.Host, proxy.Addr, 1))
	for range 20 {
		var all sync.WaitGroup
		for range 8 { // so that there are several connections
			all.Go(func() {
				if _, err := db.CountWorkspaces(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		proxy.Cut()
	}
}

// A pooler needs no parameter of the URL and no setting of its own.
func TestPoolersNeedNoSettings(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartPostgres(t)
			pooler := testenv.StartPgBouncer(t, server.URL, mode)
			db, other := open(t, pooler.URL), open(t, server.URL)
			everyQuery(t, db)
			heard := follow(t, db)
			for i := range 20 {
				touch(t, db, "mine")
				touch(t, other, fmt.Sprint(i))
			}
			for got := 0; got < 20; {
				for _, c := range next(t, heard).Changes {
					if c.IDs[0] != fmt.Sprint(got) {
						t.Fatalf("heard %q, want %d", c.IDs, got)
					}
					got++
				}
			}
			if db.shared.listens || !other.shared.listens {
				t.Error("a node waits for notifications behind a pooler, or doesn't without one")
			}
		})
	}
}

// A node that freezes while it holds the heads stops the others for as long as the
// timeout of its transaction, behind a pooler too.
func TestANodeFrozenBehindAPoolerDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	server := testenv.StartPostgres(t)
	pooler := testenv.StartPgBouncer(t, server.URL, "transaction")
	db, frozen := open(t, pooler.URL), open(t, pooler.URL)
	w := &postgresWriter{shared: frozen.shared, node: "frozen"}
	if _, err := w.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.abandon()
	began := time.Now()
	if err := db.Update(t.Context(), put("a", "1")); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < time.Second || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A change fails at once if the only server accepts none, and is made once it does.
func TestAReadOnlyDatabaseFailsChangesAtOnce(t *testing.T) {
	t.Parallel()
	server := testenv.StartPostgres(t)
	db := open(t, server.URL)
	db.writer.retryFor = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, on := range []bool{false, true, false} {
		server.Execute(fmt.Sprintf("BEGIN READ WRITE; ALTER DATABASE postgres "+
			"SET default_transaction_read_only = %t; COMMIT", on),
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "+
				"AND backend_type = 'client backend'")
		if err := db.Update(ctx, put(fmt.Sprint(i), "1")); IsReadOnly(err) != on || !on && err != nil {
			t.Errorf("read-only is %t: %v", on, err)
		}
	}
}

// Reads and spends wait for a connection if the server has no more than their node has.
func TestTooFewConnectionsMeanWaiting(t *testing.T) {
	t.Parallel()
	server := testenv.StartPostgres(t)
	server.Execute("CREATE ROLE small LOGIN PASSWORD 'small' CONNECTION LIMIT 6",
		"GRANT ALL ON SCHEMA public TO small")
	where := "postgres://small:small@" + server.Addr + "/postgres?sslmode=disable"
	nodes := []*DB{open(t, where), open(t, where)}
	var all sync.WaitGroup
	for _, db := range nodes {
		if err := db.Update(t.Context(), func(ctx context.Context, _ *Tx) error {
			_, err := db.CountWorkspaces(ctx) // so that each node has a connection to wait for
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		db := nodes[i%2]
		all.Go(func() {
			for range 40 {
				if _, err := db.CountWorkspaces(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if _, err := db.Spend(t.Context(), "", fmt.Sprint(i), 1); !errors.Is(err, ErrNotFound) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
