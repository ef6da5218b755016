package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/storetest"
	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// world is an engine on a fresh database, its first root key and its clock.
type world struct {
	*Engine
	t     testing.TB
	where string // the database
	redis string // counts rate limits if not ""
	db    *store.DB
	mu    sync.Mutex
	at    time.Time
	root  string // the operator's root key
	who   Caller // the operator
}

// start is when the tests' clock begins: early in a window of every length.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, where: storetest.Database(t), redis: testenv.RedisURL(t), at: start}
	w.setUp()
	return w
}

// setUp opens the engine on its database and makes the operator.
func (w *world) setUp() {
	w.t.Helper()
	w.open(vault.NewMaster())
	w.enroll()
}

// enroll makes the operator, in a database that has none.
func (w *world) enroll() {
	w.t.Helper()
	root, err := w.FirstRootKey(w.t.Context(), func(string) error { return nil })
	if err != nil || root == "" {
		w.t.Fatalf("first root key %q: %v", root, err)
	}
	w.root, w.who = root, w.caller(root)
}

// awaitLogReading returns when the node has applied a reading of the change log
// that nodes share, if they do. The first one is a gap, which makes everything in
// memory unusable once; tests of what stays in memory wait for it.
func (w *world) awaitLogReading() {
	w.t.Helper()
	if !w.db.Shared() {
		return
	}
	for before, end := w.source.Clock.Lag(), time.Now().Add(10*time.Second); ; {
		time.Sleep(time.Millisecond)
		lag := w.source.Clock.Lag()
		if lag < before { // it only grows between readings
			return
		}
		if before = lag; time.Now().After(end) {
			w.t.Fatal("the change log is not read")
		}
	}
}

func (w *world) open(master string) {
	w.t.Helper()
	v, err := vault.New(master)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.db, err = store.Open(w.t.Context(), w.where); err != nil {
		w.t.Fatal(err)
	}
	w.Engine, err = Open(w.t.Context(), Config{
		DB: w.db, Vault: v, Now: w.now, Log: slog.New(slog.DiscardHandler), Redis: w.redis,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	e, db := w.Engine, w.db
	w.t.Cleanup(func() {
		if err := errors.Join(e.Close(context.Background()), db.Close()); err != nil {
			w.t.Error(err)
		}
	})
}

// raw opens the database without the store.
func (w *world) raw() *sql.DB {
	w.t.Helper()
	driver, source := "pgx", w.where
	if dir, ok := strings.CutPrefix(w.where, "sqlite://"); ok {
		driver = "sqlite"
		source = filepath.Join(dir, "latchkey.db") + "?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		w.t.Fatal(err)
	}
	return db
}

// number runs a query for one number without the store.
func (w *world) number(text string) (n int) {
	w.t.Helper()
	db := w.raw()
	err := db.QueryRowContext(w.t.Context(), text).Scan(&n)
	if err := errors.Join(err, db.Close()); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// exec runs a statement without the store.
func (w *world) exec(text string, args ...any) {
	w.t.Helper()
	db := w.raw()
	_, err := db.ExecContext(w.t.Context(), text, args...)
	if err := errors.Join(err, db.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// advance moves the clock.
func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// caller is who presents a root key.
func (w *world) caller(token string) Caller {
	w.t.Helper()
	who := Caller{Request: Request{RequestID: "req_test", RemoteIP: "192.0.2.1", UserAgent: "test"}}
	if err := w.authenticate(w.t.Context(), token, &who); err != nil {
		w.t.Fatalf("authenticate: %v", err)
	}
	return who
}

// grant makes a root key with exactly these permissions and returns its caller.
func (w *world) grant(permissions ...string) Caller {
	w.t.Helper()
	made := must[latchkey.CreatedRootKey](w, w.who, "rootKeys.createRootKey",
		latchkey.CreateRootKeyRequest{Permissions: append([]string{}, permissions...)})
	return w.caller(made.Key)
}

// calling is the caller as a method gets it that is called without the table.
func (c Caller) calling(name string) Caller {
	c.op, _ = Lookup(name)
	return c
}

// resource is a permission in the newer form: a path and an action in the
// operator's workspace.
func (w *world) resource(path, action string) string {
	return "unkey:v1:" + w.who.WorkspaceID() + ":" + path + "#" + action
}

// otherWorkspace makes another workspace and returns a caller who may do anything in it.
func (w *world) otherWorkspace() Caller {
	w.t.Helper()
	ws := must[latchkey.CreatedWorkspace](w, w.who, "workspaces.createWorkspace",
		latchkey.CreateWorkspaceRequest{Name: "other"})
	made := must[latchkey.CreatedRootKey](w, w.who, "rootKeys.createRootKey",
		latchkey.CreateRootKeyRequest{
			WorkspaceID: ws.WorkspaceID, Permissions: latchkey.AllPermissions(),
		})
	return w.caller(made.Key)
}

// do runs an operation as a transport does: through JSON, checks and the table.
func (w *world) do(who Caller, name string, request any) (Response, error) {
	w.t.Helper()
	op, ok := Lookup(name)
	if !ok {
		w.t.Fatalf("no operation %s", name)
	}
	text, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	decoded, faults := op.Decode(text)
	if len(faults) > 0 {
		return Response{}, Invalid(faults...)
	}
	return w.run(context.Background(), op, &who, decoded)
}

// must runs an operation that has to succeed and returns its data.
func must[T any](w *world, who Caller, name string, request any) T {
	w.t.Helper()
	answer, err := w.do(who, name, request)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return answer.Data.(T)
}

// refused runs an operation that must fail with this status and code.
func (w *world) refused(who Caller, name string, request any, status int, code string) {
	w.t.Helper()
	_, err := w.do(who, name, request)
	var e *latchkey.Error
	if !errors.As(err, &e) {
		w.t.Fatalf("%s: error %v, want %d %s", name, err, status, code)
	}
	if e.Status != status || e.Code() != code || e.Detail == "" {
		w.t.Fatalf("%s: %d %s %q, want %d %s", name, e.Status, e.Code(), e.Detail, status, code)
	}
}

// newAPI makes an API.
func (w *world) newAPI() string {
	w.t.Helper()
	return must[latchkey.CreatedAPI](w, w.who, "apis.createApi", latchkey.CreateAPIRequest{
		Name: "test",
	}).APIID
}

// newKey makes a key; the request's API is made where it names none.
func (w *world) newKey(r latchkey.CreateKeyRequest) latchkey.CreatedKey {
	w.t.Helper()
	if r.APIID == "" {
		r.APIID = w.newAPI()
	}
	return must[latchkey.CreatedKey](w, w.who, "keys.createKey", r)
}

// verify verifies a key.
func (w *world) verify(key string) latchkey.Verification {
	w.t.Helper()
	return must[latchkey.Verification](w, w.who, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key,
	})
}
