package store

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// spender combines spends: those of one key that arrive while another one is
// under way are made together by the next.
type spender struct {
	mu      sync.Mutex
	waiting map[string][]*spend // by key; a key that is here has a goroutine at work
	closed  bool
	work    sync.WaitGroup
}

// spend is one caller's.
type spend struct {
	claim
	cost   int64
	left   int64 // if it was made
	result error // why it wasn't
}

// Spend takes the cost, at least 0, from the balance of a key that has it, and
// returns what is left. It is exact, on disk when this returns, and ErrNotFound
// if the balance is too small or there is no such key or balance. Spends of one
// key that wait for another are combined; each is answered as if they had been
// made one after the other. On SQLite it is a change like any other, so it must
// not be called in one; on PostgreSQL it waits for no change of other rows. A
// caller whose context ends leaves, unless its spend has begun.
func (db *DB) Spend(ctx context.Context, id string, cost int64) (left int64, err error) {
	if cost < 0 {
		return 0, errors.New("store: a cost can't be negative")
	}
	s := &spend{claim: newClaim(ctx), cost: cost}
	if !db.hand(id, s) {
		return 0, ErrClosed
	}
	if err := s.await(); err != nil {
		return 0, err
	}
	return s.left, nil
}

// hand puts a spend in line, and makes the line move if it is the first.
func (db *DB) hand(id string, s *spend) bool {
	p := db.spends
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	others, moving := p.waiting[id]
	p.waiting[id] = append(others, s)
	if !moving {
		p.work.Go(func() { db.spendAll(id) })
	}
	return true
}

// take returns who waits for a key; the line is closed if it is empty.
func (p *spender) take(id string) []*spend {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.waiting[id]
	if len(all) == 0 {
		delete(p.waiting, id)
		return nil
	}
	p.waiting[id] = nil
	return all
}

func (p *spender) close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Wait()
	return nil
}

// spendAll makes the spends of a key until none waits.
func (db *DB) spendAll(id string) {
	for all := db.spends.take(id); all != nil; all = db.spends.take(id) {
		all = slices.DeleteFunc(all, func(s *spend) bool {
			stays := s.begin()
			if !stays {
				s.finish(s.ctx.Err())
			}
			return !stays
		})
		undone, err := db.spendTogether(context.Background(), id, all)
		for _, s := range all {
			if slices.Contains(undone, s) {
				s.finish(err)
			} else {
				s.finish(s.result)
			}
		}
	}
}

// spendTogether makes spends of one key and returns those that it couldn't make
// because of an error.
func (db *DB) spendTogether(ctx context.Context, id string, all []*spend) (undone []*spend, err error) {
	if db.shared != nil {
		return db.spendAlone(ctx, id, all)
	}
	err = db.Update(ctx, func(ctx context.Context, tx *Tx) error {
		_, err := combine(ctx, tx.reads, tx.writes, id, all)
		return err
	})
	if err != nil {
		return all, err
	}
	return nil, nil
}

// spendAlone makes spends beside the serial changes. Each statement is a
// transaction of its own, which holds one lock and never waits for a second, so
// nothing can deadlock. It runs on one connection and not on the pool, because
// the pool would repeat a statement whose connection it believes to have been
// closed before.
func (db *DB) spendAlone(ctx context.Context, id string, all []*spend) (undone []*spend, err error) {
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
	case errors.Is(err, ErrNotFound) || err == nil && !b.Valid:
		return -1, nil
	default:
		return b.Int64, err
	}
}
