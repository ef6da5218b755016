package store

import (
	"cmp"
	"context"
	"database/sql"
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
	mu sync.Mutex
	// who waits, by key or by workspace; a line that is here has a goroutine at work
	lines  map[string][]*spend
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

// Spend takes the cost, at least 0, from the balance of a workspace's key that has
// it, and returns what is left. It is exact, on disk when this returns, and
// ErrNotFound if the balance is too small or there is no such key or balance. Spends
// of a workspace that wait for others are combined, on PostgreSQL unless somebody else
// locks the key; each is answered as if they had been made one after the other. If
// too many wait, it is ErrBusy. On SQLite it is a change like any other, so it must
// not be called in one; on PostgreSQL it waits for no change of other rows. A caller
// whose context ends leaves, unless its spend has begun.
func (db *DB) Spend(
	ctx context.Context, workspace, id string, cost int64,
) (left int64, err error) {
	if cost < 0 {
		return 0, errors.New("store: a cost can't be negative")
	}
	s := &spend{claim: newClaim(ctx), id: id, cost: cost}
	line, move := workspace, db.spendInChange
	if db.shared != nil {
		line, move = id, db.spendAlone
	}
	if db.shared != nil && db.shared.queues {
		line, move = "of "+workspace, db.spendTogether
	}
	if err := db.spends.enqueue(line, s, move); err != nil {
		return 0, err
	}
	if err := s.await(); err != nil {
		return 0, err
	}
	return s.left, nil
}

const (
	// maxSpends is how many spends can wait in one line.
	maxSpends = 8192
	// spendsTogether is the most spends that are made together.
	spendsTogether = 512
)

// enqueue adds a spend to a line and starts the line if it is the first.
func (p *spender) enqueue(line string, s *spend, move func(line string)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	others, moving := p.lines[line]
	switch {
	case p.closed:
		return ErrClosed
	case len(others) >= maxSpends:
		return ErrBusy
	}
	p.lines[line] = append(others, s)
	if !moving {
		p.work.Go(func() { move(line) })
	}
	return nil
}

// dequeue returns the first spends waiting in a line, and closes an empty line.
func (p *spender) dequeue(line string) []*spend {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.lines[line]
	if len(all) == 0 {
		delete(p.lines, line)
		return nil
	}
	some := all[:min(spendsTogether, len(all))]
	p.lines[line] = all[len(some):]
	return some
}

// dequeueAndClose returns the first spends waiting in a line. If these are all, it
// closes the line; the next spend starts it again.
func (p *spender) dequeueAndClose(line string) (some []*spend, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.lines[line]
	if len(all) > spendsTogether {
		p.lines[line] = all[spendsTogether:]
		return all[:spendsTogether], true
	}
	delete(p.lines, line)
	return all, false
}

func (p *spender) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Wait()
}

// beginAll begins the spends whose callers still wait.
func beginAll(all []*spend) []*spend {
	return slices.DeleteFunc(all, func(s *spend) bool {
		stays := s.begin()
		if !stays {
			s.finish(s.ctx.Err())
		}
		return !stays
	})
}

// spendInChange makes the spends of any keys of a workspace that wait, until none
// does.
func (db *DB) spendInChange(workspace string) {
	for more := true; more; {
		more = db.spendOnce(workspace)
	}
}

// spendOnce makes one change of the spends of a workspace that wait when the change
// runs, and reports whether more wait for the next call. Spends that arrive after it
// took all go into the next change, which queues while this one waits for the disk.
func (db *DB) spendOnce(workspace string) (more bool) {
	var all []*spend
	var ran bool
	var failed error // in the spends themselves
	turn := Turn{workspace, Spends}
	err := db.UpdateFor(context.Background(), turn, func(ctx context.Context, tx *Tx) error {
		if !ran { // if it runs again, it makes the same spends
			all, more = db.spends.dequeueAndClose(workspace)
			all, ran = beginAll(all), true
		}
		failed = tx.spend(ctx, all)
		return failed
	})
	if !ran {
		all, more = db.spends.dequeueAndClose(workspace)
		all = beginAll(all)
	}
	if failed != nil {
		db.spendApart(turn, all)
		return more
	}
	for _, s := range all {
		s.finish(cmp.Or(err, s.result))
	}
	return more
}

// spendApart retries spends that failed together, with one change for each key:
// a row that can't be written affects its own key only.
func (db *DB) spendApart(turn Turn, all []*spend) {
	for _, some := range byKey(all) {
		err := db.UpdateFor(context.Background(), turn,
			func(ctx context.Context, tx *Tx) error { return tx.spend(ctx, some) })
		for _, s := range some {
			s.finish(cmp.Or(err, s.result))
		}
	}
}

// byKey groups spends by key.
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

// takeTotals is the statement Spend of queries/write/credits.sql for many keys at
// once. It takes from each key the total cost of its spends, if the balance covers
// it, in six tenths of the time of one statement each. Only SQLite uses it: where
// nodes share rows, a statement must lock no more than one.
const takeTotals = `UPDATE balances SET remaining = balances.remaining - total.value
FROM json_each($1) AS total
WHERE balances.id = total.key AND balances.remaining >= total.value
RETURNING balances.id, balances.remaining`

// spendTotals makes the spends of the keys whose balance covers all of them, and
// removes these keys from byKey.
func (tx *Tx) spendTotals(ctx context.Context, byKey map[string][]*spend) error {
	totals := make(map[string]int64, len(byKey))
	for id, all := range byKey {
		_, rest, total := affordable(all, math.MaxInt64)
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
		resolve(byKey[id], left+totals[id])
		delete(byKey, id)
	}
	return rows.Err()
}

// spendKeys takes costs from the balances that have them, and returns those balances. It
// waits for no lock: a key that somebody else is changing isn't among them.
const spendKeys = `WITH wanted (id, cost) AS (
	SELECT * FROM UNNEST(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[]))
), free AS (
	SELECT b.id, w.cost FROM wanted w JOIN balances b ON b.id = w.id
	WHERE b.remaining >= w.cost FOR UPDATE OF b SKIP LOCKED
)
UPDATE balances SET remaining = balances.remaining - free.cost FROM free
WHERE balances.id = free.id AND balances.remaining >= free.cost
RETURNING balances.id, balances.remaining`

// spendTogether makes the spends of any keys of a workspace that wait, concurrently with
// changes, until none does. Keys that can't pay all of theirs, or are locked, have lines of
// their own.
func (db *DB) spendTogether(line string) {
	for all := db.spends.dequeue(line); all != nil; all = db.spends.dequeue(line) {
		all = beginAll(all)
		left, err := db.spendMany(all)
		for _, s := range left {
			if err != nil && !refusedByServer(err) {
				s.finish(err)
				continue
			}
			s.undo()
			if err := db.spends.enqueue(s.id, s, db.spendAlone); err != nil {
				s.finish(err)
			}
		}
	}
}

// spendMany makes spends in one statement and returns those that weren't made, and why, if
// the statement failed.
func (db *DB) spendMany(all []*spend) (left []*spend, err error) {
	some := byKey(all)
	if len(some) < 2 {
		return all, nil
	}
	ids, costs := make([]string, 0, len(some)), make([]int64, 0, len(some))
	for id, own := range some {
		_, rest, total := affordable(own, math.MaxInt64)
		if len(rest) > 0 {
			return all, nil // they cost more than any balance
		}
		ids, costs = append(ids, id), append(costs, total)
	}
	ctx := context.Background()
	conn, err := db.conns.Conn(rowsContext(ctx))
	if err != nil {
		return all, err
	}
	defer conn.Close()
	after, err := balancesOf(timeoutDB{conn}.QueryContext(ctx, spendKeys, ids, costs))
	if err != nil {
		return all, commitError(err)
	}
	for i, id := range ids {
		balance, made := after[id]
		if !made {
			left = append(left, some[id]...)
			continue
		}
		resolve(some[id], balance+costs[i])
		for _, s := range some[id] {
			s.finish(nil)
		}
	}
	return left, nil
}

// balancesOf returns balances by key.
func balancesOf(rows *sql.Rows, err error) (map[string]int64, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	balances := map[string]int64{}
	for rows.Next() {
		var id string
		var balance int64
		if err := rows.Scan(&id, &balance); err != nil {
			return nil, err
		}
		balances[id] = balance
	}
	return balances, rows.Err()
}

// spendAlone makes the spends of one key, concurrently with changes, until none
// waits.
func (db *DB) spendAlone(id string) {
	for all := db.spends.dequeue(id); all != nil; all = db.spends.dequeue(id) {
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

// spendOn makes spends of one key and returns those that an error prevented. Each
// statement is a transaction of its own that holds one lock and never waits for a
// second one, so it can't deadlock. It uses one connection, not the pool, because
// the pool would repeat a statement if it believes that the connection had been
// closed before.
func (db *DB) spendOn(ctx context.Context, id string, all []*spend) (undone []*spend, err error) {
	conn, err := db.conns.Conn(rowsContext(ctx))
	if err != nil {
		return all, err
	}
	defer conn.Close()
	on := timeoutDB{conn}
	return combine(ctx, read.New(on), write.New(on), id, all)
}

// combine makes spends in order of arrival, as many in one update as possible:
// first all of them, then those that the last known balance covers. Only the
// conditional update accepts a spend. A denied spend cost more than the balance at
// one moment: when it was read, or right after an update.
func combine(
	ctx context.Context, r *reads, w *writes, id string, pending []*spend,
) ([]*spend, error) {
	for known := int64(math.MaxInt64); len(pending) > 0; {
		fit, rest, total := affordable(pending, known)
		if len(fit) == 0 {
			deny(pending)
			return nil, nil
		}
		after, err := w.Spend(ctx, total, id)
		switch {
		case err == nil:
			resolve(fit, after+total)
			pending, known = rest, after
		case !errors.Is(err, ErrNotFound):
			return pending, commitError(err)
		case len(pending) == 1:
			deny(pending)
			return nil, nil
		default:
			if known, err = balance(ctx, r, id); err != nil {
				return pending, err
			}
		}
	}
	return nil, nil
}

// affordable splits spends into those that a balance covers, in order, and the
// rest.
func affordable(pending []*spend, balance int64) (fit, rest []*spend, total int64) {
	for _, s := range pending {
		if s.cost <= balance-total {
			fit, total = append(fit, s), total+s.cost
		} else {
			rest = append(rest, s)
		}
	}
	return fit, rest, total
}

// resolve gives each spend the balance that it left.
func resolve(all []*spend, balance int64) {
	for _, s := range all {
		balance -= s.cost
		s.left, s.result = balance, nil
	}
}

func deny(all []*spend) {
	for _, s := range all {
		s.result = ErrNotFound
	}
}

// balance returns the credits of a key. It is -1, which covers nothing, if the key
// doesn't exist or has no credits configured.
func balance(ctx context.Context, r *reads, id string) (int64, error) {
	b, err := r.Balance(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return -1, nil
	}
	return b, err
}
