package store

import (
	"context"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// start prepares the transaction for a group of changes.
func (tx *Tx) start(at head) {
	tx.head, tx.touched = at, nil
	tx.counts, tx.counted = map[countKey]*count{}, nil
}

// mark is how far the changes of a group have come in memory.
type mark struct {
	head             head
	touched, counted int
	writes           int // in the pipeline
}

func (tx *Tx) mark() mark {
	m := mark{head: tx.head, touched: len(tx.touched), counted: len(tx.counted)}
	if tx.pipeline != nil {
		m.writes = len(tx.pipeline.writes)
	}
	return m
}

// undo takes back what a change did in memory.
func (tx *Tx) undo(to mark) {
	tx.head, tx.touched = to.head, tx.touched[:to.touched]
	tx.uncount(to.counted)
	if tx.pipeline != nil {
		tx.pipeline.truncate(to.writes)
	}
}

// inMemory reports whether the database knows nothing of what was written since a mark.
func (tx *Tx) inMemory(since mark) bool {
	if tx.pipeline != nil {
		return tx.pipeline.sent <= since.writes
	}
	return !tx.wrote
}

// flush sends the writes that are queued.
func (tx *Tx) flush(ctx context.Context) error {
	if tx.pipeline == nil {
		return nil
	}
	return tx.pipeline.flush(ctx)
}

// rollback undoes everything. An error means that the database already has, or that the
// connection broke, which begin detects.
func (tx *Tx) rollback(ctx context.Context) {
	if tx.pipeline != nil {
		tx.pipeline.reset()
	}
	_ = tx.exec(ctx, "ROLLBACK")
	_ = tx.flush(ctx)
}

// Touch records the ids of what the change alters, for the caches of the other nodes
// that share the database.
func (tx *Tx) Touch(ids ...string) { tx.touched = append(tx.touched, ids...) }

// NextAudit returns the next position in the audit log for a change at now, in unix
// milliseconds: the microsecond, or one more than the last position if that is
// taken.
func (tx *Tx) NextAudit(now int64) int64 {
	tx.head.audit = max(tx.head.audit+1, now*1000)
	return tx.head.audit
}

// Shared reports whether other nodes can change the rows too.
func (db *DB) Shared() bool { return db.shared != nil }

// Node is the random name of this process among those that share the database; it
// is "" where nothing is shared.
func (db *DB) Node() string { return db.node }

// Heartbeat counts up the heartbeats of this node. It doesn't wait for changes, so a
// node under load doesn't look dead.
func (db *DB) Heartbeat(ctx context.Context) error {
	return write.New(timeoutDB{db.pool}).Beat(ctx, db.node)
}

// LogRead is the result of one read of the change log.
type LogRead struct {
	At      time.Time // every commit before it is in this read or an earlier one
	Changes []Touched // in commit order, without this node's own
	All     bool      // changes are missing or have no ids: anything can have changed

	Lost      int64 // committed changes that the database lost, at least
	LostAfter int64 // the number of the last change before those lost
}

// Touched is one group of changes that another node committed.
type Touched struct {
	IDs  []string  // the ids of what it altered; none if they are too many
	Time time.Time // of the commit, by the clock of the node that committed
}

// Follow reads the change log until ctx ends, and passes the result of each read to
// apply, also if there are no changes. All is set in the first read on each connection,
// and in a later one that might not continue the one before. It reads every 200 ms, and
// at once when the server notifies it of a commit. On a database that isn't shared it
// only waits for ctx.
func (db *DB) Follow(ctx context.Context, apply func(LogRead)) {
	if db.shared == nil {
		<-ctx.Done()
		return
	}
	f := &follower{shared: db.shared, node: db.node, apply: apply}
	f.run(ctx)
}
