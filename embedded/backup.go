package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// ErrNotABackup is the error of [VerifyBackup] and [Restore] for a file that isn't a backup,
// or whose end is missing.
var ErrNotABackup = store.ErrNotABackup

// Backup says what is in a backup.
type Backup struct {
	// At is its instant: it has every change that was acknowledged before.
	At time.Time
	// Schema is the number of its last schema migration.
	Schema int
	// Bytes is the size of the database in it.
	Bytes int64
	// SHA256 is the hash of the database, in hex.
	SHA256 string
	// Opened is whether a master key was there and opens everything that is encrypted. BackUp
	// doesn't look for one.
	Opened bool
}

func backupOf(b store.Backup) Backup {
	return Backup{At: b.At, Schema: b.Schema, Bytes: b.Size, SHA256: b.SHA256}
}

// BackUp copies the SQLite database in cfg.Data, as it is at one instant, into a new file. A
// service can use the folder meanwhile. The file has no master key and no root key. Progress,
// if not nil, gets the number of bytes that were copied, and of all.
//
// A shared database has its own programs for this, such as pg_dump.
func BackUp(
	ctx context.Context, cfg Config, file string, progress func(done, total int64),
) (Backup, error) {
	if cfg.Database != "" {
		return Backup{}, errShared
	}
	b, err := store.BackUp(ctx, cfg.Data, file, progress)
	if err != nil {
		return Backup{}, fmt.Errorf("latchkey: %w", err)
	}
	return backupOf(b), nil
}

var errShared = errors.New("latchkey: the data is in a PostgreSQL database: back it up with " +
	"pg_dump or your usual method, or copy it with latchkey copy --to sqlite://FOLDER")

// VerifyBackup reads a whole backup. It returns an error if the backup is damaged, if its
// schema is newer than this program, or if there is a master key, in cfg.MasterKey or in the
// folder cfg.Data, that doesn't open it.
func VerifyBackup(ctx context.Context, cfg Config, file string) (Backup, error) {
	stored, err := store.VerifyBackup(ctx, file)
	if err != nil {
		return Backup{}, fmt.Errorf("latchkey: %w", err)
	}
	b := backupOf(stored)
	switch err := unwraps(cfg, stored.DataKeys); {
	case err == nil:
		b.Opened = true
	case !errors.Is(err, errMissing):
		return Backup{}, err
	}
	return b, nil
}

// Restore puts the database of a backup into the folder cfg.Data, which is created if it is
// missing. It refuses a folder that has a database or is in use, a backup that
// [VerifyBackup] refuses, and a master key that is missing: put the file master.key into the
// folder first, or set cfg.MasterKey.
func Restore(ctx context.Context, cfg Config, file string) (Backup, error) {
	if cfg.Database != "" {
		return Backup{}, errors.New("latchkey: a backup is restored into a folder: " +
			"remove LATCHKEY_DATABASE, and then copy it with " +
			"latchkey copy --from sqlite://FOLDER --to postgres://…")
	}
	if cfg.Data == "" {
		return Backup{}, errors.New("latchkey: no data folder given")
	}
	stored, err := store.Restore(ctx, file, cfg.Data, func(stored store.Backup) error {
		return unwraps(cfg, stored.DataKeys)
	})
	if err != nil {
		return Backup{}, fmt.Errorf("latchkey: %w", err)
	}
	b := backupOf(stored)
	b.Opened = true
	return b, nil
}

// BackUp is the function BackUp for the folder of this service.
func (s *Service) BackUp(ctx context.Context, file string) (Backup, error) {
	return BackUp(ctx, s.cfg, file, nil)
}

// unwraps returns an error unless the configured master keys open all data keys.
func unwraps(cfg Config, dataKeys [][]byte) error {
	if len(dataKeys) == 0 {
		return nil
	}
	text, _, err := masterKeys(cfg, false)
	if err != nil {
		return err
	}
	masters, err := vault.New(text)
	if err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	for _, key := range dataKeys {
		if _, _, err := masters.Rewrap(key); err != nil {
			return fmt.Errorf("latchkey: the master key does not open the backup: %w", err)
		}
	}
	return nil
}
