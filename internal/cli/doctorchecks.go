package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey/embedded"
	"github.com/latchkeyhq/latchkey/internal/durable"
	"github.com/latchkeyhq/latchkey/internal/store"
)

func (c *doctorCmd) checkFolder(_ context.Context, a *app) finding {
	info, err := os.Stat(a.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warning("nothing, if no service has run here yet; else name its folder with --data",
			"%s does not exist", a.Data)
	case err != nil:
		return failing("run this command as the user of the service (sudo latchkey …)", "%v", err)
	case !info.IsDir():
		return failing("name a folder with --data", "%s is not a folder", a.Data)
	}
	return fine("%s", a.Data)
}

func (c *doctorCmd) checkModes(_ context.Context, a *app) finding {
	if runtime.GOOS == "windows" {
		return fine("not checked on Windows")
	}
	var open, fixes []string
	for _, m := range openModes(a.Data) {
		open, fixes = append(open, fmt.Sprintf("%s (%04o)", m.path, m.mode)), append(fixes, m.fix)
	}
	if len(open) > 0 {
		return failing(strings.Join(fixes, "; "), "other users of this machine have access to %s",
			strings.Join(open, ", "))
	}
	return fine("only their owner has access to the folder and the secrets")
}

func (c *doctorCmd) checkDatabase(ctx context.Context, a *app) finding {
	if _, err := store.MigrationStatus(ctx, c.where(a)); err != nil {
		return failing("check --database, and that the server runs and lets this user in; for a folder, "+
			"run this as its owner", "the database can't be read: %v", err)
	}
	return fine("%s answers (%s)", c.place(a), c.kind())
}

func (c *doctorCmd) checkSchema(ctx context.Context, a *app) finding {
	all, err := store.MigrationStatus(ctx, c.where(a))
	if err != nil {
		return failing("mend the database first", "not checked: the database can't be read")
	}
	applied, known := 0, len(all)
	for _, m := range all {
		if m.Applied {
			applied++
		}
	}
	switch {
	case applied == 0:
		return fine("there is no data yet; the first start creates it")
	case applied < known:
		return warning("back up, then start the service with this program: it migrates by itself",
			"%d of %d migrations are applied", applied, known)
	}
	return fine("all %d migrations are applied", known)
}

func (c *doctorCmd) checkMasterKey(ctx context.Context, a *app) finding {
	err := embedded.CheckMasterKey(ctx, embedded.Config{
		Data: a.Data, Database: c.Database, MasterKey: c.MasterKey,
	})
	if err != nil {
		return failing("restore the file master.key from where you keep its copy, or set "+
			"LATCHKEY_MASTER_KEY; without it, recoverable keys are lost", "%s", message(err))
	}
	return fine("opens all that is encrypted")
}

func (c *doctorCmd) checkRedis(ctx context.Context, _ *app) finding {
	if c.Redis == "" {
		return fine("not used")
	}
	u, err := url.Parse(c.Redis)
	if err != nil || u.Host == "" {
		return failing("write --redis as redis://host:6379", "--redis is not a URL")
	}
	host, _, _ := strings.Cut(u.Host, ",") // there can be several
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "6379")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return failing("start Redis or correct --redis; meanwhile each node decides alone, with its "+
			"share of the limits, and no node can start", "%v", err)
	}
	_ = conn.Close()
	return fine("%s accepts connections", host)
}

// checkService asks the service of the data folder, or else whether one could start.
func (c *doctorCmd) checkService(ctx context.Context, a *app) finding {
	if at := readLine(filepath.Join(a.Data, addressFile)); at != "" {
		if ready, err := isReady(ctx, at); err == nil && ready {
			return fine("the service at %s is ready", at)
		} else if err == nil {
			return failing("read its log; it is ready once its database is reachable",
				"the service at %s is not ready", at)
		}
	}
	if strings.HasPrefix(c.Listen, "unix:") {
		return fine("no service of this folder runs")
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return failing("stop what listens there, or choose another address with --listen",
			"no service of this folder runs, and one couldn't start: %v", err)
	}
	_ = listener.Close()
	return fine("no service of this folder runs; %s is free", c.Listen)
}

func (c *doctorCmd) checkTransport(context.Context, *app) finding {
	if c.TLSCert != "" {
		return checkCertificate(c.TLSCert, c.TLSKey)
	}
	host, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	if err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return warning("put a proxy in front that ends TLS, or set --tls-cert and --tls-key",
			"root keys arrive unencrypted at %s", c.Listen)
	}
	return fine("only this machine reaches %s", c.Listen)
}

func checkCertificate(certFile, keyFile string) finding {
	const soon = 14 * 24 * time.Hour
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return failing("correct --tls-cert and --tls-key", "the certificate can't be used: %v", err)
	}
	until := pair.Leaf.NotAfter
	const fix = "renew the certificate; the service takes the new files by itself"
	switch left := time.Until(until); {
	case left < 0:
		return failing(fix, "the certificate has expired on %s", until.Format(time.DateOnly))
	case left < soon:
		return warning(fix, "the certificate expires on %s", until.Format(time.DateOnly))
	}
	return fine("the certificate is valid until %s", until.Format(time.DateOnly))
}

// checkClock compares the clock with the times of files that were written before.
func (c *doctorCmd) checkClock(_ context.Context, a *app) finding {
	const fix = "set the clock and keep NTP running: expiry and refills use it"
	now := time.Now()
	for _, name := range []string{"latchkey.db", "latchkey.db-wal", "master.key", "root.key"} {
		info, err := os.Stat(filepath.Join(a.Data, name))
		if err == nil && info.ModTime().After(now.Add(time.Minute)) {
			return failing(fix, "%s was written at %s, which is in the future", name,
				info.ModTime().UTC().Format(time.RFC3339))
		}
	}
	if now.Year() < 2025 {
		return failing(fix, "the clock says %s", now.UTC().Format(time.RFC3339))
	}
	return fine("%s", now.UTC().Format(time.RFC3339))
}

func (c *doctorCmd) checkSpace(_ context.Context, a *app) finding {
	free, _, err := durable.Space(a.Data)
	if err != nil {
		return fine("not checked: %v", err)
	}
	need := int64(1 << 30)
	if info, err := os.Stat(filepath.Join(a.Data, "latchkey.db")); err == nil {
		need = max(need, info.Size())
	}
	const fix = "make room in the file system of the data folder: a full disk makes changes fail"
	switch {
	case free < need/8:
		return failing(fix, "%d MB are free", free>>20)
	case free < need:
		return warning(fix, "%d MB are free, less than 1 GB or the size of the database", free>>20)
	}
	return fine("%d MB are free", free>>20)
}

// checkWrites measures how long it takes to sync a small write. A disk that says it is
// faster than any is doesn't write when it is told to.
func (c *doctorCmd) checkWrites(_ context.Context, a *app) finding {
	const times, honest, slow = 20, 20 * time.Microsecond, 50 * time.Millisecond
	f, err := os.CreateTemp(a.Data, ".doctor-*")
	if err != nil {
		return warning("run this command as the user of the service", "not checked: %v", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	took := make([]time.Duration, times)
	for i := range took {
		begun := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return failing("mend the file system of the data folder", "%v", err)
		}
		if err := f.Sync(); err != nil {
			return failing("mend the file system of the data folder", "%v", err)
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return judgeWrites(took[times/2], honest, slow)
}

func judgeWrites(median, honest, slow time.Duration) finding {
	switch {
	case median < honest:
		return warning("put the data on a disk that writes when told to (not tmpfs; no write cache "+
			"without a battery): else a power failure loses acknowledged changes",
			"a synced write takes %v, faster than a disk can", median)
	case median > slow:
		return warning("use a faster disk: each group of changes waits for it",
			"a synced write takes %v", median)
	}
	return fine("a synced write takes %v", median)
}

func (c *doctorCmd) checkBackups(context.Context, *app) finding {
	switch {
	case c.Database != "":
		return fine("not checked: they are PostgreSQL's")
	case c.BackupDir == "":
		return warning("set --backup-dir, or run latchkey backup in a timer", "the service makes none")
	}
	last, err := embedded.LastBackup(c.BackupDir)
	const fix = "read the log of the service for \"backup failed\""
	switch {
	case err != nil:
		return failing("make the folder readable", "%v", err)
	case last.IsZero():
		return warning(fix, "there is none in %s", c.BackupDir)
	case time.Since(last) > 2*c.BackupEvery:
		return failing(fix, "the newest is of %s", last.UTC().Format(time.RFC3339))
	}
	return fine("the newest is of %s", last.UTC().Format(time.RFC3339))
}
