package powercut

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of the integrity check
)

// trial is one binary on one disk whose power is cut again and again.
type trial struct {
	binary  string
	dir     string     // where the disk is mounted
	scratch string     // a folder on a real disk
	seed    uint64     // of everything that is random
	random  *rand.Rand // made of seed
	disk    *Disk
	model   model
}

func newTrial(binary, dir, scratch string, seed uint64) *trial {
	return &trial{
		binary: binary, dir: dir, scratch: scratch, seed: seed,
		random: rand.New(rand.NewPCG(seed, 0)), disk: NewDisk(),
	}
}

// data is the data folder, which the service makes itself.
func (t *trial) data() string { return filepath.Join(t.dir, "latchkey") }

// renew starts over with an empty disk.
func (t *trial) renew() { t.disk, t.model = NewDisk(), model{} }

// round runs the service under load, or only starts it, cuts the power at a
// random moment, and audits what is there after the next start. An error of type
// broken says which promise did not hold.
func (t *trial) round(ctx context.Context, survives func() bool) error {
	if err := t.mounted(func() error { return t.run(ctx) }); err != nil {
		return err
	}
	t.disk.Cut(survives)
	return t.mounted(func() error { return t.check(ctx) })
}

func (t *trial) mounted(work func() error) error {
	unmount, err := t.disk.Mount(t.dir)
	if err != nil {
		return err
	}
	return errors.Join(work(), unmount())
}

// run starts the service and kills it at a random moment. On an empty disk that
// may be before it answers.
func (t *trial) run(ctx context.Context) error {
	s, err := launch(t.binary, t.data())
	if err != nil {
		return err
	}
	if first := t.model.rootKey == ""; first {
		time.AfterFunc(time.Duration(t.random.IntN(400))*time.Millisecond, func() {
			_ = s.cmd.Process.Kill()
		})
	}
	printed, err := s.await(t.data())
	if printed != "" {
		t.model.rootKey = printed
	}
	if err != nil { // killed before it could answer
		s.kill()
		return nil
	}
	if t.model.rootKey != "" && t.model.prepare(ctx, s) == nil {
		time.AfterFunc(time.Duration(20+t.random.IntN(300))*time.Millisecond, func() {
			_ = s.cmd.Process.Kill()
		})
		err = t.model.work(ctx, s, t.random.Uint64())
	}
	s.kill()
	return err
}

// check audits what survived the cut.
func (t *trial) check(ctx context.Context) error {
	if err := t.integrity(); err != nil {
		return err
	}
	s, err := launch(t.binary, t.data())
	if err != nil {
		return err
	}
	defer s.kill()
	printed, err := s.await(t.data())
	if err != nil {
		return breach("the service does not come back: %v", err)
	}
	if t.model.rootKey != "" && printed != "" {
		return breach("the root key that was printed is lost: the service made another one")
	}
	if err := s.works(ctx); err != nil {
		return breach("the root key in the data folder is refused: %v", err)
	}
	if t.model.rootKey == "" {
		t.model.rootKey = printed
		if printed == "" {
			t.model.rootKey = s.RootKey // made before the cut, but not printed
		}
	}
	return t.model.audit(ctx, s)
}

// integrity has SQLite look over a copy of what survived, where there is any.
func (t *trial) integrity() error {
	to, err := os.MkdirTemp(t.scratch, "survived-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(to)
	for _, name := range []string{"latchkey.db", "latchkey.db-wal"} {
		data, err := os.ReadFile(filepath.Join(t.data(), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(to, "latchkey.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil {
		return breach("the database can't be checked: %v", err)
	}
	if verdict != "ok" {
		return breach("the database is damaged: %s", verdict)
	}
	return nil
}

// repeat cuts the power count times, half of the times losing all that was not
// synced and half of the times keeping a random part, and begins with an empty
// disk each fourth time.
func (t *trial) repeat(
	ctx context.Context, count int, tell func(format string, args ...any),
) error {
	for n := range count {
		if n%4 == 0 {
			t.renew()
		}
		survives := func() bool { return false }
		if n%2 == 1 {
			survives = func() bool { return t.random.IntN(2) == 0 }
		}
		if err := t.round(ctx, survives); err != nil {
			return fmt.Errorf("cut %d of seed %d: %w", n+1, t.seed, err)
		}
		if (n+1)%10 == 0 {
			tell("%d of %d cuts", n+1, count)
		}
	}
	return nil
}
