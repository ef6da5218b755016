package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/engine"
	"github.com/latchkeyhq/latchkey/internal/storetest"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// beside says, of each folder of newDir, what the data is kept in besides it.
var beside sync.Map // string to Config

// newDir returns an empty data folder, and an empty database to it where the
// environment asks for one.
func newDir(t testing.TB) string {
	dir, where := t.TempDir(), storetest.Database(t)
	cfg := Config{Redis: testenv.RedisURL(t)}
	if strings.HasPrefix(where, "postgres") {
		cfg.Database = where
	}
	beside.Store(dir, cfg)
	return dir
}

// quiet is a configuration for a folder that logs nowhere.
func quiet(dir string) Config {
	cfg := Config{}
	if known, ok := beside.Load(dir); ok {
		cfg = known.(Config)
	}
	cfg.Data, cfg.Log = dir, slog.New(slog.DiscardHandler)
	return cfg
}

func open(t *testing.T, cfg Config) *Service {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *Service) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// call calls an operation that must succeed and returns a field of its data.
func call(t *testing.T, s *Service, rootKey, field, op, body string) string {
	t.Helper()
	r := httptest.NewRequest("POST", "/v2/"+op, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+rootKey)
	rec := httptest.NewRecorder()
	s.Handler.ServeHTTP(rec, r)
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", op, rec.Code, rec.Body)
	}
	value, _ := answer.Data[field].(string)
	return value
}

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFirstStartKeepsItsSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	s := open(t, quiet(dir))
	defer closed(t, s)
	if s.RootKey == "" || readFile(t, dir, "root.key") != s.RootKey+"\n" {
		t.Errorf("the root key is %q, its file has %q", s.RootKey, readFile(t, dir, "root.key"))
	}
	call(t, s, s.RootKey, "apiId", "apis.createApi", `{"name":"an api"}`)
	for name, want := range map[string]os.FileMode{
		"": os.ModeDir | 0o700, "master.key": 0o600, "root.key": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestRestartKeepsTheRootKey(t *testing.T) {
	dir := newDir(t)
	s := open(t, quiet(dir))
	root := s.RootKey
	api := call(t, s, root, "apiId", "apis.createApi", `{"name":"an api"}`)
	closed(t, s)
	s = open(t, quiet(dir))
	defer closed(t, s)
	if s.RootKey != "" || readFile(t, dir, "root.key") != root+"\n" {
		t.Error("the second start made another root key")
	}
	if got := call(t, s, root, "name", "apis.getApi", `{"apiId":"`+api+`"}`); got != "an api" {
		t.Errorf("got %q back", got)
	}
}

func TestFolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	s := open(t, quiet(dir))
	if _, err := Open(t.Context(), quiet(dir)); !errors.Is(err, ErrInUse) ||
		!strings.Contains(err.Error(), dir) {
		t.Errorf("a second service: %v", err)
	}
	if _, err := Rotate(t.Context(), quiet(dir)); !errors.Is(err, ErrInUse) {
		t.Errorf("a rotation meanwhile: %v", err)
	}
	call(t, s, s.RootKey, "apiId", "apis.createApi", `{"name":"an api"}`)
	closed(t, s)
	closed(t, open(t, quiet(dir)))
}

func TestUnusableFolderIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		if _, err := Open(t.Context(), quiet(dir)); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("no folder at all is accepted")
	}
}

func TestDrainingServiceIsNotReady(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	status := func(path string) int {
		rec := httptest.NewRecorder()
		s.Handler.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		return rec.Code
	}
	if got := status("/health/ready"); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}
	s.Drain()
	if got := status("/health/ready"); got != http.StatusServiceUnavailable {
		t.Errorf("draining: %d", got)
	}
	if got := status("/v2/liveness"); got != http.StatusOK {
		t.Errorf("a request meanwhile: %d", got)
	}
}

func TestBrokenDatabaseIsNotReady(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	closed(t, s)
	s.draining.Store(false)
	if err := s.ready(t.Context()); err == nil {
		t.Error("ready without a database")
	}
}

// A first start that was ended before the master key was written has sealed
// nothing, so the next one may make it.
func TestFirstStartCanBeRepeated(t *testing.T) {
	dir := newDir(t)
	db, err := openData(t.Context(), quiet(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, quiet(dir))
	defer closed(t, s)
	if s.RootKey == "" {
		t.Error("no root key")
	}
}

// TestSettingsMeanWhatTheEngineMeans: the values that programs write are those
// that the engine knows.
func TestSettingsMeanWhatTheEngineMeans(t *testing.T) {
	for ours, its := range map[Limits]engine.Limits{
		Exact: engine.Exact, Fast: engine.Fast, Local: engine.Local,
	} {
		if string(ours) != string(its) {
			t.Errorf("limits %q are %q in the engine", ours, its)
		}
	}
	for ours, its := range map[FailMode]engine.FailMode{
		FailClosed: engine.Closed, FailStale: engine.Stale,
	} {
		if string(ours) != string(its) {
			t.Errorf("the fail mode %q is %q in the engine", ours, its)
		}
	}
}

// TestOnlyPostgresURLsAreDatabases: any other text is refused, and not repeated,
// because it can contain a password.
func TestOnlyPostgresURLsAreDatabases(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, where := range []string{
		"mysql://u:sesame@h/db", "sqlite://sesame", "/sesame", `"postgres://u:sesame@h/db"`,
	} {
		_, err := Open(t.Context(), Config{Data: dir, Database: where})
		if err == nil || !strings.Contains(err.Error(), "must begin with postgres://") ||
			strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: error %v", where, err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a data folder was created")
	}
}
