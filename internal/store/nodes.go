package store

import (
	"context"
	"time"
)

// start makes the transaction ready for a group of changes.
func (tx *Tx) start(at head) { tx.head, tx.touched = at, nil }

// Touch notes the ids of what the change alters, for the memories of the other
// nodes that share the database.
func (tx *Tx) Touch(ids ...string) { tx.touched = append(tx.touched, ids...) }

// NextAudit returns the next place in the audit log for a change at now, in unix
// milliseconds: the microsecond, or one more than the last place if that is taken.
func (tx *Tx) NextAudit(now int64) int64 {
	tx.head.audit = max(tx.head.audit+1, now*1000)
	return tx.head.audit
}

// Shared reports whether other nodes may change the rows too.
func (db *DB) Shared() bool { return db.shared != nil }

// Node names this process among those that share the database, at random and
// anew each time that it is opened; it is "" where nothing is shared.
func (db *DB) Node() string { return db.node }

// Heard is what one reading of the change log has told.
type Heard struct {
	At      time.Time // what was committed before is in this reading, or was in an earlier one
	Changes []Touched // in the order of their commits, without this node's own
	All     bool      // some were missed, or one names nothing: everything may have changed
}

// Touched is one group of changes that another node has committed.
type Touched struct {
	IDs  []string  // what it altered; none if that is too much to name
	Made time.Time // by the clock of the node that made it
}

// Follow reads the change log again and again until ctx ends, and tells heard
// what it found, also if that is nothing. It begins with what is committed after
// its first reading, which says All, as does any later one that can't be sure
// to continue the one before. It reads every 200 ms, and as soon as another node
// has committed if the server tells that. Without others to share the database
// with there is nothing to be heard, and nothing is told.
func (db *DB) Follow(ctx context.Context, heard func(Heard)) {
	if db.shared == nil {
		<-ctx.Done()
		return
	}
	f := &follower{shared: db.shared, node: db.node, heard: heard}
	f.run(ctx)
}
