package engine

import (
	"context"
	"sync"
	"time"
)

// The quota of queries, of each workspace on each node.
const (
	queriesPerHour   = 1000
	queryTimePerHour = 30 * time.Minute
	// queriesAtOnce is how many queries run at once, of all workspaces. A workspace has one
	// at a time, so that it can't keep others out.
	queriesAtOnce = 2
)

// queryQuota bounds the queries on events.
type queryQuota struct {
	mu    sync.Mutex
	hour  int64                  // since 1970
	spent map[string]*querySpent // by workspace, in this hour
	slots chan struct{}
}

// querySpent is what a workspace has used.
type querySpent struct {
	queries int
	took    time.Duration
	waiting int
	turn    chan struct{} // held by the query that runs
}

func newQueryQuota() *queryQuota {
	return &queryQuota{
		spent: map[string]*querySpent{}, slots: make(chan struct{}, queriesAtOnce),
	}
}

// begin counts a query and waits for its turn. Done ends it.
func (q *queryQuota) begin(
	ctx context.Context, workspace string, now int64,
) (done func(), err error) {
	const mostWaiting, longest = 5, 10 * time.Second
	spent, err := q.count(workspace, now, mostWaiting)
	if err != nil {
		return nil, err
	}
	defer func() {
		q.mu.Lock()
		spent.waiting--
		q.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for i, turn := range []chan struct{}{spent.turn, q.slots} {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			if i > 0 {
				<-spent.turn
			}
			return nil, errQueryQuota.with("Other queries took all the time that this one could " +
				"wait. Try again later.")
		}
	}
	began := time.Now()
	return func() {
		<-q.slots
		<-spent.turn
		q.mu.Lock()
		spent.took += time.Since(began)
		q.mu.Unlock()
	}, nil
}

// count counts a query, or refuses it.
func (q *queryQuota) count(workspace string, now int64, mostWaiting int) (*querySpent, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if hour := now / time.Hour.Milliseconds(); hour != q.hour {
		q.hour = hour
		for id, s := range q.spent {
			s.queries, s.took = 0, 0
			if s.waiting == 0 && len(s.turn) == 0 {
				delete(q.spent, id)
			}
		}
	}
	s := q.spent[workspace]
	if s == nil {
		s = &querySpent{turn: make(chan struct{}, 1)}
		q.spent[workspace] = s
	}
	switch {
	case s.queries >= queriesPerHour:
		return nil, errQueryQuota.with("This workspace has run %d queries in this hour, which is "+
			"the most. Try again in the next hour.", queriesPerHour)
	case s.took >= queryTimePerHour:
		return nil, errQueryQuota.with("The queries of this workspace have taken %v in this hour, "+
			"which is the most. Try again in the next hour.", queryTimePerHour)
	case s.waiting >= mostWaiting:
		return nil, errQueryQuota.with("%d queries of this workspace wait already. Try again later.",
			s.waiting)
	}
	s.queries++
	s.waiting++
	return s, nil
}
