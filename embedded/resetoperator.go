package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// ResetOperator creates a root key of the operator, for when all others are lost,
// writes it to the file [RootKeyFile] in cfg.Data and returns it. It disables all
// other root keys of the operator, unless keepOthers is set, and returns how many.
// It needs the master key of the data. No service must use an SQLite database
// meanwhile, else the error is [ErrInUse]; nodes of a shared database can run.
//
// If only the file can't be written, the root key is returned with the error.
func ResetOperator(
	ctx context.Context, cfg Config, keepOthers bool,
) (rootKey string, disabled int, err error) {
	if err := requireInstallation(cfg); err != nil {
		return "", 0, err
	}
	db, err := openData(ctx, cfg)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if n, err := db.CountWorkspaces(ctx); err != nil || n == 0 {
		return "", 0, fmt.Errorf("latchkey: nothing to reset: %w",
			errors.Join(err, engine.ErrNoInstallation))
	}
	if _, _, err := unlock(ctx, db, cfg); err != nil {
		return "", 0, err
	}
	rootKey, disabled, err = engine.ResetOperator(ctx, db, keepOthers)
	if err != nil {
		return "", 0, fmt.Errorf("latchkey: root key: %w", err)
	}
	return rootKey, disabled, writeSecret(filepath.Join(cfg.Data, RootKeyFile), rootKey)
}

// requireInstallation returns an error if the folder has no SQLite database, so
// that a mistyped folder isn't made.
func requireInstallation(cfg Config) error {
	if cfg.Database != "" || cfg.Data == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, "latchkey.db")); err != nil {
		return fmt.Errorf("latchkey: no service has run in this data folder: %w", err)
	}
	return nil
}
