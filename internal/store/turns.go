package store

import (
	"errors"
	"slices"
	"sync"
)

// ErrBusy means that a workspace has so many changes or spends waiting that no more
// are accepted. Nothing was changed.
var ErrBusy = errors.New("too many changes of this workspace wait")

// Turn says whose change it is and how urgent. The zero value is a change of the
// service itself.
type Turn struct {
	Workspace string // "" for the service itself
	Lane      Lane
}

// Lane is one of the lanes in which changes wait.
type Lane uint8

// The lanes.
const (
	Ordinary Lane = iota // zero: waits for its workspace's turn
	Urgent               // revocations: served before the others
	Spends               // of credits and budgets, which are small and many
	bulk                 // ordinary ones of workspaces that made heavy ones a moment ago
	lanes
)

const (
	// maxWaiting is how many changes of one workspace can wait in one lane.
	maxWaiting = 1024
	// maxStreak is how often in a row a lane is served before one that waits behind
	// it. So a flood of revocations slows other changes, and can't stop them.
	maxStreak = 4
)

// byUrgency are the lanes in the order in which they are served; bulk is the last.
var byUrgency = [lanes]Lane{Urgent, Spends, Ordinary, bulk}

// turns decides whose change is next: the most urgent lane's, in which workspaces
// take turns, and each has its changes made in order of arrival. The zero value is
// empty. It is not safe for concurrent use.
type turns struct {
	again  []*job // of a lost transaction; they come first
	lanes  [lanes]lane
	streak [lanes]int // how often a lane was served since one behind it was
}

// lane holds the changes that wait, by workspace.
type lane struct {
	byWorkspace map[string]*line
	next        []*line // in the order of their turns
}

// line holds the changes of one workspace that wait.
type line struct {
	workspace string
	jobs      []*job
}

// add lets a change wait. It reports false if too many of its workspace wait. The
// service's own changes are always accepted: there are few.
func (t *turns) add(j *job) bool {
	return t.lanes[j.turn.Lane].add(j)
}

func (l *lane) add(j *job) bool {
	own := l.byWorkspace[j.turn.Workspace]
	if own == nil {
		if l.byWorkspace == nil {
			l.byWorkspace = map[string]*line{}
		}
		own = &line{workspace: j.turn.Workspace}
		l.byWorkspace[own.workspace] = own
		l.next = append(l.next, own)
	}
	if len(own.jobs) >= maxWaiting && own.workspace != "" {
		return false
	}
	own.jobs = append(own.jobs, j)
	return true
}

// take returns the next change, or nil if none waits. None of the lane bulk is next if a
// light one is asked for.
func (t *turns) take(light bool) *job {
	if len(t.again) > 0 {
		j := t.again[0]
		t.again = t.again[1:]
		return j
	}
	order := byUrgency[:]
	if light {
		order = byUrgency[:len(byUrgency)-1]
	}
	for i, name := range order {
		l := &t.lanes[name]
		if len(l.next) == 0 {
			continue
		}
		if t.streak[name] < maxStreak || !t.waits(order[i+1:]) {
			t.streak[name]++
			return l.take()
		}
		t.streak[name] = 0
	}
	return nil
}

// waits reports whether a change waits in one of the lanes.
func (t *turns) waits(lanes []Lane) bool {
	return slices.ContainsFunc(lanes, func(l Lane) bool { return len(t.lanes[l].next) > 0 })
}

// putBack lets a change be the next one.
func (l *lane) putBack(j *job) {
	own := l.byWorkspace[j.turn.Workspace]
	if own == nil {
		l.add(j)
		own = l.byWorkspace[j.turn.Workspace]
	} else {
		own.jobs = slices.Insert(own.jobs, 0, j)
	}
	l.next = slices.Insert(slices.DeleteFunc(l.next, func(o *line) bool { return o == own }), 0, own)
}

func (l *lane) take() *job {
	own := l.next[0]
	l.next[0] = nil
	l.next = l.next[1:]
	j := own.jobs[0]
	own.jobs[0] = nil
	if own.jobs = own.jobs[1:]; len(own.jobs) > 0 {
		l.next = append(l.next, own)
	} else {
		delete(l.byWorkspace, own.workspace)
	}
	return j
}

// empty reports whether no change waits.
func (t *turns) empty() bool {
	for i := range t.lanes {
		if len(t.lanes[i].next) > 0 {
			return false
		}
	}
	return len(t.again) == 0
}

// queue is where changes wait for the writer. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond // something waits, or the queue was closed
	turns   turns
	heavy   memory // the workspaces whose ordinary changes wait in the lane bulk
	closed  bool
}

func newQueue() *queue {
	q := &queue{}
	q.arrived.L = &q.mu
	return q
}

// add lets a change wait, unless too many do or the queue is closed.
func (q *queue) add(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if j.turn.Lane == Ordinary && q.heavy.recent(j.turn.Workspace) {
		j.turn.Lane = bulk
	}
	if !q.turns.add(j) {
		return ErrBusy
	}
	q.arrived.Signal()
	return nil
}

// take returns the next change, or nil if none waits: a light one, if that is asked for.
func (q *queue) take(light bool) *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.turns.take(light)
}

// slow lets the next ordinary changes of a workspace, which made a heavy one, wait in the
// lane bulk. The service's own ones, heartbeats among them, don't: they are bounded.
func (q *queue) slow(workspace string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if workspace != "" {
		q.heavy.add(workspace)
	}
}

// retry lets the changes of a lost transaction come first.
func (q *queue) retry(group []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turns.again = append(group, q.turns.again...)
}

// putBack lets changes that were taken come first in their lanes again.
func (q *queue) putBack(jobs []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range slices.Backward(jobs) {
		q.turns.streak[j.turn.Lane] = max(0, q.turns.streak[j.turn.Lane]-1)
		if j.turn.Lane == Ordinary && q.heavy.recent(j.turn.Workspace) {
			j.turn.Lane = bulk
		}
		q.turns.lanes[j.turn.Lane].putBack(j)
	}
}

// wait waits until a change waits. It reports false once the queue is closed and
// empty.
func (q *queue) wait() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.turns.empty() {
		if q.closed {
			return false
		}
		q.arrived.Wait()
	}
	return true
}

// close lets no more changes wait; those that wait are still made. It reports whether
// the queue was open.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := !q.closed
	q.closed = true
	q.arrived.Signal()
	return was
}
