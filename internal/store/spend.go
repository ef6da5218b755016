package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// spender combines spends: those that wait while others are under way are made
// together.
type spender struct {
	mu     sync.Mutex
	lines  map[string][]*spend // who waits, by key or all in one line; a line that is here has a goroutine at work
	closed bool
	work   sync.WaitGroup
}

// spend is one caller's.
type spend struct {
	claim
	id     string // of the key
	cost   int64
	left   int64 // if it was made
	result error // why it wasn't
}

// Spend takes the cost, at least 0, from the balance of a key that has it, and
// returns what is left. It is exact, on disk when this returns, and ErrNotFound
// if the balance is too small or there is no such key or balance. Spends that
// wait for others are combined, on PostgreSQL those of one key, on SQLite all;
// each is answered as if they had been made one after the other. On SQLite it is
// a change like any other, so it must not be called in one; on PostgreSQL it waits
// for no change of other rows. A caller whose context ends leaves, unless its spend
// has begun.
func (db *DB) Spend(ctx context.Context, id string, cost int64) (left int64, err error) {
	if cost < 0 {
		return 0, errors.New("store: a cost can't be negative")
	}
	s := &spend{claim: newClaim(ctx), id: id, cost: cost}
	line, move := anyKey, db.spendInChange
	if db.shared != nil {
		line, move = id, func() { db.spendAlone(id) }
	}
	if !db.spends.hand(line, s, move) {
		return 0, ErrClosed
	}
	if err := s.await(); err != nil {
		return 0, err
	}
	return s.left, nil
}

// anyKey is the line in which the spends of all keys wait.
const anyKey = ""

// hand puts a spend in line, and makes the line move if it is the first.
func (p *spender) hand(line string, s *spend, move func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	others, moving := p.lines[line]
	p.lines[line] = append(others, s)
	if !moving {
		p.work.Go(move)
	}
	return true
}

// take returns who waits in a line, and closes it if it is empty.
func (p *spender) take(line string) []*spend {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.lines[line]
	if len(all) == 0 {
		delete(p.lines, line)
		return nil
	}
	p.lines[line] = nil
	return all
}

// takeAndClose returns who waits in a line and closes it: whoever comes next
// makes it move anew.
func (p *spender) takeAndClose(line string) []*spend {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.lines[line]
	delete(p.lines, line)
	return all
}

func (p *spender) close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Wait()
	return nil
}

// beginAll begins those spends whose callers still wait.
func beginAll(all []*spend) []*spend {
	return slices.DeleteFunc(all, func(s *spend) bool {
		stays := s.begin()
		if !stays {
			s.finish(s.ctx.Err())
		}
		return !stays
	})
}

// spendInChange makes in one change all spends that wait when its turn comes, of
// whatever keys. Those that come later go into the next change, which is in line
// while this one waits for the disk.
func (db *DB) spendInChange() {
	var all []*spend
	var turn bool
	var failed error // in the spends themselves
	err := db.Update(context.Background(), func(ctx context.Context, tx *Tx) error {
		turn = true
		all = append(all, beginAll(db.spends.takeAndClose(anyKey))...) // once more if it runs again
		failed = tx.spend(ctx, all)
		return failed
	})
	if !turn {
		all = beginAll(db.spends.takeAndClose(anyKey))
	}
	if failed != nil {
		db.spendApart(all)
		return
	}
	for _, s := range all {
		s.finish(cmp.Or(err, s.result))
	}
}

// spendApart makes spends that failed together again, those of each key in a
// change of their own: a row that can't be written is the trouble of its key alone.
func (db *DB) spendApart(all []*spend) {
	for _, some := range byKey(all) {
		err := db.Update(context.Background(), func(ctx context.Context, tx *Tx) error { return tx.spend(ctx, some) })
		for _, s := range some {
			s.finish(cmp.Or(err, s.result))
		}
	}
}

// byKey sorts spends out by what they spend from.
func byKey(all []*spend) map[string][]*spend {
	keys := make(map[string][]*spend)
	for _, s := range all {
		keys[s.id] = append(keys[s.id], s)
	}
	return keys
}

// spend makes spends of any keys.
func (tx *Tx) spend(ctx context.Context, all []*spend) error {
	byKey := byKey(all)
	if len(byKey) > 1 {
		if err := tx.spendTotals(ctx, byKey); err != nil {
			return err
		}
	}
	for id, pending := range byKey {
		if _, err := combine(ctx, tx.reads, tx.writes, id, pending); err != nil {
			return err
		}
	}
	return nil
}

// takeTotals is the statement Spend of queries/write/keys.sql for many keys at
// once, from each of which is taken what its spends cost together, if it has it: six
// tenths of the time of one statement for each. Only SQLite has it; where nodes share
// rows, a statement must lock no more than one.
const takeTotals = `UPDATE keys SET remaining = keys.remaining - total.value FROM json_each($1) AS total
WHERE keys.id = total.key AND keys.remaining >= total.value AND keys.deleted_at = 0
RETURNING keys.id, keys.remaining`

// spendTotals makes the spends of those keys whose balance has enough for all of
// them, and takes them out of byKey.
func (tx *Tx) spendTotals(ctx context.Context, byKey map[string][]*spend) error {
	totals := make(map[string]int64, len(byKey))
	for id, all := range byKey {
		_, rest, total := share(all, math.MaxInt64)
		if rest == nil && utf8.ValidString(id) { // other ids would come back from JSON as others
			totals[id] = total
		}
	}
	text, err := json.Marshal(totals)
	if err != nil {
		return err
	}
	tx.wrote = true
	rows, err := tx.on.QueryContext(ctx, takeTotals, string(text))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var left int64
		if err := rows.Scan(&id, &left); err != nil {
			return err
		}
		settle(byKey[id], left+totals[id])
		delete(byKey, id)
	}
	return rows.Err()
}

// spendAlone makes the spends of a key beside the serial changes until none waits.
func (db *DB) spendAlone(id string) {
	for all := db.spends.take(id); all != nil; all = db.spends.take(id) {
		all = beginAll(all)
		undone, err := db.spendOn(context.Background(), id, all)
		for _, s := range all {
			if slices.Contains(undone, s) {
				s.finish(err)
			} else {
				s.finish(s.result)
			}
		}
	}
}

// spendOn makes spends of one key and returns those that it couldn't make because
// of an error. Each statement is a transaction of its own, which holds one lock and
// never waits for a second, so nothing can deadlock. It runs on one connection and
// not on the pool, because the pool would repeat a statement whose connection it
// believes to have been closed before.
func (db *DB) spendOn(ctx context.Context, id string, all []*spend) (undone []*spend, err error) {
	conn, err := db.pool.Conn(within(ctx))
	if err != nil {
		return all, err
	}
	defer conn.Close()
	on := bounded{conn}
	return combine(ctx, read.New(on), write.New(on), id, all)
}

// combine makes spends in order of arrival, as many as one update can hold at a
// time: first all of them, then those that fit into the balance as it is known.
// Only the conditional update accepts. Those that are refused were too much,
// each by itself, for the balance at one moment: when it was read, or right
// after an update.
func combine(ctx context.Context, r *reads, w *writes, id string, pending []*spend) ([]*spend, error) {
	for known := int64(math.MaxInt64); len(pending) > 0; {
		fit, rest, total := share(pending, known)
		if len(fit) == 0 {
			refuse(pending)
			return nil, nil
		}
		after, err := w.Spend(ctx, total, id)
		switch {
		case err == nil:
			settle(fit, after.Int64+total)
			pending, known = rest, after.Int64
		case !errors.Is(err, ErrNotFound):
			return pending, settled(err)
		case len(pending) == 1:
			refuse(pending)
			return nil, nil
		default:
			if known, err = balance(ctx, r, id); err != nil {
				return pending, err
			}
		}
	}
	return nil, nil
}

// share returns the spends that a balance has enough for, one after the other,
// and those that it hasn't.
func share(pending []*spend, balance int64) (fit, rest []*spend, total int64) {
	for _, s := range pending {
		if s.cost <= balance-total {
			fit, total = append(fit, s), total+s.cost
		} else {
			rest = append(rest, s)
		}
	}
	return fit, rest, total
}

// settle tells each spend what was left after it.
func settle(all []*spend, balance int64) {
	for _, s := range all {
		balance -= s.cost
		s.left, s.result = balance, nil
	}
}

func refuse(all []*spend) {
	for _, s := range all {
		s.result = ErrNotFound
	}
}

// balance returns what a key has to spend: -1, too little for anything, if
// there is no such key or its use isn't counted.
func balance(ctx context.Context, r *reads, id string) (int64, error) {
	b, err := r.Balance(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return -1, nil
	case err != nil:
		return 0, err
	case !b.Valid:
		return -1, nil
	}
	return b.Int64, nil
}
