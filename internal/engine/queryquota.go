package engine

import (
	"context"
	"sync"
	"time"
)

// querySpender is whose queries are counted together. A query counts for several spenders.
type querySpender struct {
	kind       spenderKind
	workspace  string
	externalID string // of one end user
}

// spenderKind is which queries of a workspace a spender has.
type spenderKind uint8

const (
	oneEndUser spenderKind = iota
	endUsers               // all of a workspace
	rootKeys               // all of a workspace
	wholeWorkspace
)

// queriesAtOnce is how many queries run at once on a node, of all workspaces. Each spender has one
// at a time, so that no workspace can keep others out, and no end user the rest of his workspace.
const queriesAtOnce = 2

// queryAllowances are what spenders can have, on each node.
var queryAllowances = [...]struct {
	name    string
	queries int           // an hour. That of all end users also bounds the spenders in memory.
	took    time.Duration // an hour
	open    int           // those that run and wait
}{
	oneEndUser:     {"this end user", 1000, time.Minute, 6},
	endUsers:       {"all end users of this workspace", 20_000, 15 * time.Minute, 60},
	rootKeys:       {"this workspace", 1000, 30 * time.Minute, 6},
	wholeWorkspace: {"this workspace and its end users", 21_000, 45 * time.Minute, 66},
}

// queryQuota bounds the queries on events.
type queryQuota struct {
	mu    sync.Mutex
	hour  int64 // since 1970
	spent map[querySpender]*querySpent
	slots chan struct{}
}

// querySpent is what a spender has used in the hour.
type querySpent struct {
	queries int
	took    time.Duration
	open    int
	turn    chan struct{} // held by the query that runs, or is the next to run
}

func newQueryQuota() *queryQuota {
	return &queryQuota{
		spent: map[querySpender]*querySpent{}, slots: make(chan struct{}, queriesAtOnce),
	}
}

// spendersOf returns the spenders of a query of an end user, or with a root key. The widest is
// last.
func spendersOf(workspace, externalID string) []querySpender {
	whole := querySpender{kind: wholeWorkspace, workspace: workspace}
	if externalID == "" {
		return []querySpender{{kind: rootKeys, workspace: workspace}, whole}
	}
	return []querySpender{
		{kind: oneEndUser, workspace: workspace, externalID: externalID},
		{kind: endUsers, workspace: workspace}, whole,
	}
}

// begin counts a query and waits for its turn. Done ends it. The external id is of the end user who
// asks, "" for a root key.
func (q *queryQuota) begin(
	ctx context.Context, workspace, externalID string, now int64,
) (done func(), err error) {
	const longest = 10 * time.Second
	all, err := q.count(spendersOf(workspace, externalID), now)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	// All take turns in the same order, so that none waits for another in a circle.
	turns := make([]chan struct{}, 0, len(all)+1)
	for _, s := range all {
		turns = append(turns, s.turn)
	}
	turns = append(turns, q.slots)
	for i, turn := range turns {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			q.end(all, turns[:i], 0)
			return nil, errQueryQuota.with("Other queries took all the time that this one could " +
				"wait. Try again later.")
		}
	}
	began := time.Now()
	return func() { q.end(all, turns, time.Since(began)) }, nil
}

// end gives turns back.
func (q *queryQuota) end(all []*querySpent, turns []chan struct{}, took time.Duration) {
	for _, turn := range turns {
		<-turn
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range all {
		s.open--
		s.took += took
	}
}

// count counts a query of spenders, or refuses it.
func (q *queryQuota) count(of []querySpender, now int64) ([]*querySpent, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if hour := now / time.Hour.Milliseconds(); hour != q.hour {
		q.hour = hour
		q.forget()
	}
	all := make([]*querySpent, len(of))
	for i, spender := range of {
		s := q.spent[spender]
		if s == nil {
			s = &querySpent{turn: make(chan struct{}, 1)}
		}
		if err := s.check(spender.kind); err != nil {
			return nil, err
		}
		all[i] = s
	}
	for i, s := range all {
		s.queries++
		s.open++
		q.spent[of[i]] = s
	}
	return all, nil
}

// forget begins a new hour.
func (q *queryQuota) forget() {
	for spender, s := range q.spent {
		s.queries, s.took = 0, 0
		if s.open == 0 {
			delete(q.spent, spender)
		}
	}
}

// check returns an error if a spender can't have another query.
func (s *querySpent) check(kind spenderKind) error {
	switch most := &queryAllowances[kind]; {
	case s.queries >= most.queries:
		return errQueryQuota.with("%d queries of %s ran in this hour, which is the most. Try again "+
			"in the next hour.", s.queries, most.name)
	case s.took >= most.took:
		return errQueryQuota.with("The queries of %s took %v in this hour, which is the most. Try "+
			"again in the next hour.", most.name, most.took)
	case s.open >= most.open:
		return errQueryQuota.with("%d queries of %s run or wait already. Try again later.",
			s.open, most.name)
	}
	return nil
}
