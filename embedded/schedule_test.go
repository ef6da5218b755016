package embedded

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// folder returns the names of the files in a folder.
func folder(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

// begin starts hourly backups, of which three are kept.
func begin(
	t *testing.T, dir string, backUp func(context.Context, string) (Backup, error),
) *schedule {
	t.Helper()
	b, err := startSchedule(Config{
		BackupDir: dir, BackupEvery: time.Hour, BackupKeep: 3, Log: slog.New(slog.DiscardHandler),
	}, backUp)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write makes a file in the place of a backup.
func write(_ context.Context, file string) (Backup, error) {
	return Backup{}, os.WriteFile(file, nil, 0o600)
}

// TestBackupsAreMadeInTime: one at the first start and then every hour, also over restarts;
// the newest are kept, and files of others.
func TestBackupsAreMadeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "backups")
		count := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := folder(t, dir); len(got) != want {
				t.Errorf("%d files, want %d: %v", len(got), want, got)
			}
		}
		b := begin(t, dir, write)
		count(1)
		time.Sleep(59 * time.Minute)
		count(1)
		time.Sleep(2 * time.Minute)
		count(2)
		first := folder(t, dir)[0]
		b.close()
		other := filepath.Join(dir, "latchkey-monday.backup")
		left := filepath.Join(dir, ".latchkey-20260102T030405.006Z.backup-123")
		for _, file := range []string{other, left} {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Minute)
		b = begin(t, dir, write)
		count(3) // none is due, and what a killed process left is gone
		time.Sleep(30 * time.Minute)
		count(4)
		time.Sleep(time.Hour)
		count(4) // three and the other one
		if all := strings.Join(folder(t, dir), " "); strings.Contains(all, first) ||
			!strings.Contains(all, filepath.Base(other)) {
			t.Errorf("kept: %s", all)
		}
		b.close()
	})
}

// TestAFailedBackupIsTriedAgain within minutes, and changes nothing of the others.
func TestAFailedBackupIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tries := 0
		b := begin(t, dir, func(context.Context, string) (Backup, error) {
			tries++
			return Backup{}, os.ErrPermission
		})
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if tries != 3 || !b.lastBackup().IsZero() || len(folder(t, dir)) != 0 {
			t.Errorf("%d tries, the last backup at %v", tries, b.lastBackup())
		}
		b.close()
	})
}

// TestScheduledBackupsCanBeRestored, and the metric says when the last one was made.
func TestScheduledBackupsCanBeRestored(t *testing.T) {
	dir, backups := t.TempDir(), filepath.Join(t.TempDir(), "backups")
	cfg := quiet(dir)
	cfg.Redis, cfg.BackupDir = "", backups
	s := open(t, cfg)
	var names []string
	for deadline := time.Now().Add(time.Minute); s.backups.lastBackup().IsZero(); {
		if time.Now().After(deadline) {
			t.Fatal("no backup was made")
		}
		time.Sleep(5 * time.Millisecond)
	}
	names = folder(t, backups)
	if text := scrape(s); !strings.Contains(text, "\nlatchkey_last_backup_timestamp_seconds 1") {
		t.Errorf("the metrics are %s", text)
	}
	closed(t, s)
	restored := quiet(t.TempDir())
	restored.MasterKey = readFile(t, dir, masterKeyFile)
	if _, err := Restore(t.Context(), restored, filepath.Join(backups, names[0])); err != nil {
		t.Fatal(err)
	}
	s = open(t, restored)
	if s.RootKey != "" {
		t.Error("the restored folder is empty")
	}
	closed(t, s)
	cfg.Database = "postgres://127.0.0.1:1/name"
	if _, err := startSchedule(cfg, write); err == nil {
		t.Error("a shared database is backed up")
	}
}

func scrape(s *Service) string {
	rec := httptest.NewRecorder()
	s.Metrics.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return rec.Body.String()
}
