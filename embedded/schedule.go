package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/durable"
)

const (
	backupName  = "latchkey-20060102T150405.000Z.backup" // names sort by time
	backupNames = "latchkey-????????T??????.???Z.backup"
	// backupRetry is how long after a failed backup the next one is tried, at most.
	backupRetry = 5 * time.Minute
)

// schedule makes backups in a folder, and keeps the newest ones.
type schedule struct {
	dir   string
	every time.Duration
	keep  int
	log   *slog.Logger
	make  func(ctx context.Context, file string) (Backup, error)

	last atomic.Int64 // when the newest backup was made, in unix seconds; 0 for none
	stop context.CancelFunc
	done sync.WaitGroup
}

// startSchedule starts the backups that the configuration asks for; nil if none.
func startSchedule(
	cfg Config, backUp func(ctx context.Context, file string) (Backup, error),
) (*schedule, error) {
	switch {
	case cfg.BackupDir == "":
		return nil, nil
	case cfg.Database != "":
		return nil, fmt.Errorf("%w; BackupDir is for a data folder", errShared)
	case cfg.BackupEvery < 0 || cfg.BackupKeep < 0:
		return nil, errors.New("latchkey: BackupEvery and BackupKeep must be positive")
	}
	if err := durable.MakeFolder(cfg.BackupDir); err != nil {
		return nil, fmt.Errorf("latchkey: backups: %w", err)
	}
	b := &schedule{
		dir: cfg.BackupDir, every: cfg.BackupEvery, keep: cfg.BackupKeep, log: cfg.Log, make: backUp,
	}
	if b.every == 0 {
		b.every = 24 * time.Hour
	}
	if b.keep == 0 {
		b.keep = 7
	}
	if err := b.findLast(); err != nil {
		return nil, fmt.Errorf("latchkey: backups: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.done.Go(func() { b.run(ctx) })
	return b, nil
}

// lastBackup returns when the newest backup was made, the zero time for none.
func (b *schedule) lastBackup() time.Time {
	if at := b.last.Load(); at != 0 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}

func (b *schedule) close() {
	if b != nil {
		b.stop()
		b.done.Wait()
	}
}

// run makes a backup when the newest one is old enough.
func (b *schedule) run(ctx context.Context) {
	wait := max(0, time.Until(b.lastBackup().Add(b.every)))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = b.every
		if err := b.backUp(ctx); err != nil && ctx.Err() == nil {
			wait = min(b.every, backupRetry)
			b.log.Error("backup failed", "folder", b.dir, "next", wait, "error", err)
		}
	}
}

// backUp makes one backup and deletes those that are too many.
func (b *schedule) backUp(ctx context.Context) error {
	begun := time.Now()
	file := filepath.Join(b.dir, begun.UTC().Format(backupName))
	made, err := b.make(ctx, file)
	if err != nil {
		return err
	}
	b.last.Store(begun.Unix())
	b.log.Info("backed up", "file", file, "bytes", made.Bytes, "took", time.Since(begun))
	return b.prune()
}

// LastBackup returns when the newest backup in a Config.BackupDir was made, the zero time
// for none.
func LastBackup(dir string) (time.Time, error) {
	names, err := backupsIn(dir)
	if err != nil || len(names) == 0 {
		return time.Time{}, err
	}
	return time.Parse(backupName, names[len(names)-1])
}

// backupsIn returns the backups in a folder, oldest first.
func backupsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if is, _ := filepath.Match(backupNames, entry.Name()); is && entry.Type().IsRegular() {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// findLast looks for the newest backup, and removes what a killed process has left.
func (b *schedule) findLast() error {
	left, err := filepath.Glob(filepath.Join(b.dir, "."+backupNames+"-*"))
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return err
	}
	at, err := LastBackup(b.dir)
	if err != nil || at.IsZero() || at.After(time.Now()) {
		return err
	}
	b.last.Store(at.Unix())
	return nil
}

func (b *schedule) prune() error {
	names, err := backupsIn(b.dir)
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-b.keep)] {
		if err := os.Remove(filepath.Join(b.dir, name)); err != nil {
			return err
		}
	}
	return nil
}
