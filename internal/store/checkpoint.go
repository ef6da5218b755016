package store

import (
	"context"
	"database/sql"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pageSize = 4096 // of SQLite
	// maxLog is how many pages the log of SQLite has, 16 MB, before a checkpoint copies
	// them into the database. It is not less, because a group of new keys touches hundreds
	// of pages, many of them repeatedly, and a checkpointed page is synced twice.
	maxLog = 4000
	// longLog is how many pages the log has when the writer waits for a checkpoint under
	// way, because it appends faster than the checkpoint copies.
	longLog = 4 * maxLog
	// checkInterval is how often the size of the log is looked at while it grows.
	checkInterval = 20 * time.Millisecond
)

// checkpointer makes the checkpoints of SQLite beside the writer. Within a commit one
// takes ten times as long as the commit. But SQLite begins its log anew only if all of
// it is copied when a transaction begins, and while the checkpointer copies, the
// writer appends. So the writer copies the rest, which is small.
type checkpointer struct {
	conn    *sql.Conn
	file    string        // the log
	copying sync.Mutex    // held during a checkpoint
	almost  atomic.Bool   // all but the end of a log is copied
	appends chan struct{} // something was appended to the log
	done    chan struct{}
}

func startCheckpointer(ctx context.Context, pool *sql.DB, file string) (*checkpointer, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &checkpointer{
		conn: conn, file: file, appends: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go c.run()
	return c, nil
}

// grew says that something was appended to the log.
func (c *checkpointer) grew() {
	select {
	case c.appends <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run() {
	defer close(c.done)
	for range c.appends {
		c.copyLog(context.Background())
		time.Sleep(checkInterval)
	}
}

// copyLog makes a checkpoint if the log has enough pages. An error leaves the log as it is,
// and the next append tries again; one that lasts is an error of commits too.
func (c *checkpointer) copyLog(ctx context.Context) {
	c.copying.Lock()
	defer c.copying.Unlock()
	if _, pages, _, err := checkpoint(ctx, c.conn, "NOOP"); err != nil || pages < maxLog {
		return
	}
	busy, pages, copied, err := checkpoint(ctx, c.conn, "PASSIVE")
	c.almost.Store(err == nil && (busy != 0 || copied < pages))
}

// finish copies the end of the log on the connection of the writer, which is between two
// transactions, if the rest is copied or the log is too long.
func (c *checkpointer) finish(ctx context.Context, writer *sql.Conn) {
	if !c.almost.Swap(false) {
		if file, err := os.Stat(c.file); err != nil || file.Size() < longLog*pageSize {
			return
		}
	}
	c.copying.Lock()
	defer c.copying.Unlock()
	_, _, _, _ = checkpoint(ctx, writer, "PASSIVE") // if it fails, the next one tries again
}

// stop waits for a checkpoint under way.
func (c *checkpointer) stop() error {
	close(c.appends)
	<-c.done
	return c.conn.Close()
}

// checkpoint copies as much of the log into the database as it can without waiting for
// anybody. It returns whether something prevented it, how many pages the log has, and how
// many of them are copied. The mode NOOP copies none.
func checkpoint(
	ctx context.Context, on *sql.Conn, mode string,
) (busy, pages, copied int, err error) {
	err = on.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &copied)
	return busy, pages, copied, err
}
