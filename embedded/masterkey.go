package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

const masterKeyFile = "master.key"

// errMissing is part of the errors for a master key that should be there.
var errMissing = errors.New("is missing")

// NewMasterKey returns a new random master key.
func NewMasterKey() string { return vault.NewMaster() }

// unlock returns the vault of the configured master keys, having made sure that
// it opens everything in the database, and the file of the master key if it had
// to make one.
func unlock(
	ctx context.Context, db *store.DB, cfg Config,
) (masters *vault.Vault, made newFile, err error) {
	wrapped, err := db.DataKeys(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("latchkey: data keys: %w", err)
	}
	text, made, err := masterKeys(cfg, len(wrapped) == 0)
	if err != nil {
		return nil, "", err
	}
	if masters, err = vault.New(text); err != nil {
		return nil, "", fmt.Errorf("latchkey: %w", err)
	}
	for _, key := range wrapped {
		if _, _, err := masters.Rewrap(key.Wrapped); err != nil {
			return nil, "", refuseMaster(cfg, err)
		}
	}
	return masters, made, nil
}

// CheckMasterKey returns an error unless the configured master key opens the data. It changes
// nothing, and a service can use the data meanwhile.
func CheckMasterKey(ctx context.Context, cfg Config) error {
	dataKeys, err := store.DataKeysOf(ctx, cmp.Or(cfg.Database, "sqlite://"+cfg.Data))
	if err != nil {
		return fmt.Errorf("latchkey: data keys: %w", err)
	}
	err = unwraps(cfg, dataKeys)
	if errors.Is(err, vault.ErrUnknownMaster) {
		return refuseMaster(cfg, err)
	}
	return err
}

// refuseMaster says that the master key doesn't fit, and what to do about it.
func refuseMaster(cfg Config, err error) error {
	if cfg.Database != "" {
		return fmt.Errorf(
			"latchkey: the master key does not open the data in the database: give all nodes the same "+
				"LATCHKEY_MASTER_KEY, or the same file %s in their data folders: %w",
			masterKeyFile, err,
		)
	}
	return fmt.Errorf("latchkey: the master key does not open the data in %s: %w", cfg.Data, err)
}

// newFile is the path of a file that was made just now, "" for none.
type newFile string

// undo removes the file.
func (f newFile) undo() error {
	if f == "" {
		return nil
	}
	return os.Remove(string(f))
}

// masterKeys returns the text of the master keys. A new one is made only while
// the data is fresh: later it would open nothing of what is there.
func masterKeys(cfg Config, fresh bool) (text string, made newFile, err error) {
	if cfg.MasterKey != "" {
		return cfg.MasterKey, "", nil
	}
	file := filepath.Join(cfg.Data, masterKeyFile)
	kept, err := os.ReadFile(file)
	switch {
	case err == nil:
		return string(kept), "", nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("latchkey: master key: %w", err)
	case !fresh && cfg.Database != "":
		return "", "", fmt.Errorf(
			"latchkey: the master key of the data in the database %w: give all nodes the same "+
				"LATCHKEY_MASTER_KEY, or copy the file %s from the data folder of the first node to %s",
			errMissing, masterKeyFile, file,
		)
	case !fresh:
		return "", "", fmt.Errorf(
			"latchkey: the master key of the data in %s %w: restore the file %s, or give the key "+
				"itself if it was kept elsewhere",
			cfg.Data, errMissing, file,
		)
	}
	text = vault.NewMaster()
	return text, newFile(file), writeSecret(file, text)
}

// Rotate replaces the master key in the folder cfg.Data by a new one, and returns
// the number of data keys that it has wrapped again. It also retires all data keys:
// the service creates new ones, and encrypts recoverable keys under them in the
// background. No service must use the folder. If Rotate is interrupted, the folder
// still opens, and Rotate can be run again: the file keeps the old master key until
// nothing needs it.
//
// If cfg.MasterKey is set, Rotate uses the keys in it, separated by commas: it
// wraps everything with the first one, and needs the others to unwrap. A shared
// database can only be rotated in this way. Nodes that have both keys can run
// meanwhile.
func Rotate(ctx context.Context, cfg Config) (rewrapped int, err error) {
	if cfg.Database != "" && cfg.MasterKey == "" {
		return 0, errors.New(
			"latchkey: nodes that share a database share its master key: give the new one and the present " +
				"one, with a comma between, as LATCHKEY_MASTER_KEY",
		)
	}
	file := filepath.Join(cfg.Data, masterKeyFile)
	if _, err := os.Stat(file); err != nil && cfg.MasterKey == "" {
		return 0, fmt.Errorf("latchkey: no master key to replace: %w", err)
	}
	db, err := openData(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, _, err := unlock(ctx, db, cfg); err != nil {
		return 0, err
	}
	if cfg.MasterKey != "" {
		return rewrap(ctx, db, cfg.MasterKey)
	}
	next := vault.NewMaster()
	both, err := prepend(file, next)
	if err != nil {
		return 0, err
	}
	if rewrapped, err = rewrap(ctx, db, both); err != nil {
		return 0, err
	}
	return rewrapped, writeSecret(file, next)
}

// prepend puts a master key before those in the file, and returns them all.
func prepend(file, next string) (string, error) {
	old, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("latchkey: master key: %w", err)
	}
	both := next + "\n" + string(old)
	return both, writeSecret(file, both)
}

// rewrap wraps all data keys with the first of the master keys and retires them, in one
// transaction, and returns how many were wrapped with another one before.
func rewrap(ctx context.Context, db *store.DB, text string) (changed int, err error) {
	masters, err := vault.New(text)
	if err != nil {
		return 0, fmt.Errorf("latchkey: %w", err)
	}
	err = db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		changed = 0
		keys, err := tx.DataKeys(ctx)
		if err != nil {
			return err
		}
		for _, key := range keys {
			wrapped, stale, err := masters.Rewrap(key.Wrapped)
			if err != nil {
				return fmt.Errorf("data key %s: %w", key.ID, err)
			}
			if !stale {
				continue
			}
			if err := tx.UpdateDataKey(ctx, wrapped, key.ID); err != nil {
				return fmt.Errorf("data key %s: %w", key.ID, err)
			}
			changed++
		}
		return tx.RetireDataKeys(ctx, time.Now().UnixMilli())
	})
	if err != nil {
		return 0, fmt.Errorf("latchkey: rewrapping: %w", err)
	}
	return changed, nil
}
