package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/latchkeyhq/latchkey/internal/testenv"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// node is the configuration of a node with a folder of its own on a database.
func node(t *testing.T, database string) Config {
	cfg := quiet(t.TempDir())
	cfg.Database = database
	return cfg
}

// TestNodesShareOneMasterKey: a node that has none, or another one, is refused
// as soon as there is data, and makes no file.
func TestNodesShareOneMasterKey(t *testing.T) {
	database := testenv.Postgres(t)
	first := node(t, database)
	closed(t, open(t, first))

	second := node(t, database)
	_, err := Open(t.Context(), second)
	if err == nil || !strings.Contains(err.Error(), "LATCHKEY_MASTER_KEY") {
		t.Errorf("without a master key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(second.Data, masterKeyFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a second node made a master key")
	}
	second.MasterKey = NewMasterKey()
	if _, err := Open(t.Context(), second); !errors.Is(err, vault.ErrUnknownMaster) ||
		!strings.Contains(err.Error(), "LATCHKEY_MASTER_KEY") {
		t.Errorf("with another master key: %v", err)
	}
	second.MasterKey = readFile(t, first.Data, masterKeyFile)
	closed(t, open(t, second))
	if _, err := Rotate(t.Context(), first); err == nil {
		t.Error("the master key of one folder was replaced, and the other nodes locked out")
	}
}

// TestNodesThatStartTogether: with one master key they all start, and one of
// them makes and keeps the first root key. Without one, only one node starts.
func TestNodesThatStartTogether(t *testing.T) {
	for what, master := range map[string]string{"one master key": NewMasterKey(), "none": ""} {
		t.Run(what, func(t *testing.T) {
			database := testenv.Postgres(t)
			nodes, errs := make([]*Service, 4), make([]error, 4)
			configs := make([]Config, len(nodes))
			var all sync.WaitGroup
			for i := range nodes {
				configs[i] = node(t, database)
				configs[i].MasterKey = master
				all.Go(func() { nodes[i], errs[i] = Open(t.Context(), configs[i]) })
			}
			all.Wait()
			started, made := 0, 0
			for i, s := range nodes {
				if errs[i] != nil {
					if master != "" {
						t.Error(errs[i])
					}
					if _, err := os.Stat(filepath.Join(configs[i].Data, masterKeyFile)); !errors.Is(
						err, fs.ErrNotExist,
					) {
						t.Error("a node that was refused keeps its master key")
					}
					continue
				}
				started++
				_, err := os.Stat(filepath.Join(configs[i].Data, RootKeyFile))
				if s.RootKey != "" {
					made++
				}
				if (s.RootKey != "") != (err == nil) {
					t.Errorf("node %d made %q, its file: %v", i, s.RootKey, err)
				}
				closed(t, s)
			}
			if want := map[bool]int{true: 1, false: 4}[master == ""]; started != want || made != 1 {
				t.Errorf("%d nodes started, want %d; %d root keys were made", started, want, made)
			}
		})
	}
}

func TestWrongConfigurationIsNamed(t *testing.T) {
	for what, cfg := range map[string]Config{
		"need Redis":          {Limits: Fast},
		"unknown limits":      {Limits: "some"},
		"unknown fail":        {FailMode: "open"},
		"database URL":        {Database: "postgres://u:sesame%zz@h/db"},
		"Redis can't be used": {Redis: "redis://:sesame@127.0.0.1:1"},
	} {
		cfg.Data, cfg.Log = t.TempDir(), quiet("").Log
		_, err := Open(t.Context(), cfg)
		if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
