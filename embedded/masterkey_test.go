package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

func TestMasterKeyIsNeverReplacedSilently(t *testing.T) {
	dir := t.TempDir()
	closed(t, open(t, quiet(dir)))
	file := filepath.Join(dir, "master.key")
	own := readFile(t, file)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), quiet(dir)); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a new master key was made")
	}
	if _, err := Rotate(t.Context(), quiet(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a rotation without the file: %v", err)
	}
	cfg := quiet(dir)
	cfg.MasterKey = own
	closed(t, open(t, cfg))
}

func TestWrongMasterKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	closed(t, open(t, quiet(dir)))
	cfg := quiet(dir)
	for what, key := range map[string]string{"another": NewMasterKey(), "nonsense": "sesame"} {
		cfg.MasterKey = key
		if _, err := Open(t.Context(), cfg); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", what, err)
		} else if what == "another" && (!errors.Is(err, vault.ErrUnknownMaster) ||
			!strings.Contains(err.Error(), dir)) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := Rotate(t.Context(), cfg); err == nil {
			t.Errorf("%s: rotated", what)
		}
	}
	closed(t, open(t, quiet(dir)))
}

func TestGivenMasterKeyIsNotWritten(t *testing.T) {
	cfg := quiet(t.TempDir())
	cfg.MasterKey = NewMasterKey()
	closed(t, open(t, cfg))
	if _, err := os.Stat(filepath.Join(cfg.Data, "master.key")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the master key was written to the data folder")
	}
}

// sealed is a folder in which a recoverable key is kept.
type sealed struct {
	t                  *testing.T
	dir, root, id, key string
}

func newSealed(t *testing.T, masterKey string) *sealed {
	t.Helper()
	f := &sealed{t: t, dir: t.TempDir()}
	cfg := quiet(f.dir)
	cfg.MasterKey = masterKey
	s := open(t, cfg)
	defer closed(t, s)
	f.root = s.RootKey
	api := call(t, s, f.root, "apiId", "apis.createApi", `{"name":"an api"}`)
	call(t, s, f.root, "", "apis.updateApi", `{"apiId":"`+api+`","storeEncryptedKeys":true}`)
	f.id = call(t, s, f.root, "keyId", "keys.createKey", `{"apiId":"`+api+`","recoverable":true}`)
	f.key = call(t, s, f.root, "plaintext", "keys.getKey", `{"keyId":"`+f.id+`","decrypt":true}`)
	if f.key == "" {
		t.Fatal("the key can't be recovered")
	}
	return f
}

// opens fails the test unless the key can be recovered.
func (f *sealed) opens(what, masterKey string) {
	f.t.Helper()
	cfg := quiet(f.dir)
	cfg.MasterKey = masterKey
	s := open(f.t, cfg)
	defer closed(f.t, s)
	if got := call(
		f.t, s, f.root, "plaintext", "keys.getKey", `{"keyId":"`+f.id+`","decrypt":true}`,
	); got != f.key {
		f.t.Errorf("%s: recovered %q, want %q", what, got, f.key)
	}
}

func (f *sealed) rotate(masterKey string) int {
	f.t.Helper()
	cfg := quiet(f.dir)
	cfg.MasterKey = masterKey
	n, err := Rotate(f.t.Context(), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func TestRotationReplacesTheMasterKey(t *testing.T) {
	f := newSealed(t, "")
	before := readFile(t, f.dir, "master.key")
	if n := f.rotate(""); n != 2 { // of the API's keys, and of kept answers
		t.Errorf("%d data keys were wrapped anew, want 2", n)
	}
	after := readFile(t, f.dir, "master.key")
	if strings.Contains(after, strings.TrimSpace(before)) || strings.Count(after, "\n") != 1 {
		t.Error("the file does not hold the new master key alone")
	}
	db, err := store.Open(t.Context(), "sqlite://"+f.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.CurrentDataKey(t.Context(), "answers"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("new values are sealed under an old data key: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f.opens("after", "")
	cfg := quiet(f.dir)
	cfg.MasterKey = before
	if _, err := Open(t.Context(), cfg); !errors.Is(err, vault.ErrUnknownMaster) {
		t.Errorf("the old master key still opens: %v", err)
	}
}

func TestRotationSurvivesItsEndAtAnyMoment(t *testing.T) {
	for moment, steps := range map[string]func(f *sealed, db *store.DB, file string) error{
		"the new master key stands before the old one": func(_ *sealed, _ *store.DB, file string) error {
			_, err := prepend(file, NewMasterKey())
			return err
		},
		"all data keys are wrapped anew": func(f *sealed, db *store.DB, file string) error {
			both, err := prepend(file, NewMasterKey())
			if err != nil {
				return err
			}
			_, err = rewrap(f.t.Context(), db, both)
			return err
		},
	} {
		t.Run(moment, func(t *testing.T) {
			f := newSealed(t, "")
			db, err := store.Open(t.Context(), "sqlite://"+f.dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(steps(f, db, filepath.Join(f.dir, "master.key")), db.Close()); err != nil {
				t.Fatal(err)
			}
			f.opens("after the crash", "")
			f.rotate("")
			f.opens("after another rotation", "")
			if text := readFile(t, f.dir, "master.key"); strings.Count(text, "lkm_") != 1 {
				t.Error("an old master key is left")
			}
		})
	}
}

func TestGivenMasterKeysAreRotatedByHand(t *testing.T) {
	before, after := NewMasterKey(), NewMasterKey()
	f := newSealed(t, before)
	f.opens("both", after+","+before)
	if n := f.rotate(after + "," + before); n == 0 {
		t.Error("nothing was wrapped anew")
	}
	f.opens("the new one", after)
	if n := f.rotate(after); n != 0 {
		t.Errorf("%d data keys were wrapped anew for nothing", n)
	}
}
