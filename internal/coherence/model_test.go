package coherence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Runs a cache beside a naive database, which has everything that was ever committed,
// in a random order of all events: slow reads, changes of this and other processes
// between commit and response, in-doubt transactions, readings of the change log with
// and without gaps, outages. A value from the cache must contain each change that was
// acknowledged or applied before the call, and each change of others that is older
// than a second; if it is stale, each that is older than its age. A usable value must
// not be read again.
func TestACacheIsNeverTooOld(t *testing.T) {
	t.Run("alone", func(t *testing.T) { rapid.Check(t, inBubble(false)) })
	t.Run("shared", func(t *testing.T) { rapid.Check(t, inBubble(true)) })
}

func inBubble(shared bool) func(*rapid.T) {
	return func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			staleFor := rapid.SampledFrom([]time.Duration{0, 5 * time.Second}).Draw(t, "stale for")
			m := newModel(shared, staleFor)
			defer m.drain()
			for range 10 {
				t.Repeat(m.actions())
			}
		})
	}
}

// name is the name of a value. The values a and b are made of the entity of that
// name and of their parent; ghost comes to exist and ceases to, change by change.
type name string

func (n name) String() string { return string(n) }

var names = []name{"a", "b", "ghost"}

func (n name) entities() []string {
	if n == "ghost" {
		return []string{"ghost"}
	}
	return []string{string(n), "parent"}
}

var entities = []string{"a", "b", "ghost", "parent"}

// row is what a value knows of an entity: how many changes of it were committed.
type row struct {
	entity  string
	changes int
}

type value struct {
	Dependencies
	name    name
	rows    []row
	begun   int       // the event after which it was read
	begunAt time.Time // when
}

func (v *value) Unknown() bool { return v.name == "ghost" && v.rows[0].changes%2 == 0 }

// commit is one change of one entity. Events are numbered as they happen.
type commit struct {
	entity  string
	at      time.Time
	here    bool // made by this process, which answers it some time
	silent  bool // made by this process after its answer was lost, which nobody hears of
	inForce int  // the event since which it must be seen; 0 if it isn't yet
	missed  int  // the event of a gap in which it may have been missed
}

// change is one of this process that isn't answered yet.
type change struct {
	commits []*commit
}

// load is a read that is under way.
type load struct {
	name name
	step chan struct{}
}

// reading is a reading of the change log under way.
type reading struct {
	at   time.Time
	upTo int // of the commits
	gap  bool
}

type model struct {
	source *Source
	cache  *Cache[name, *value]
	all    sync.WaitGroup

	mu         sync.Mutex
	events     int
	commits    []*commit
	unanswered []change
	lost       []transaction // that may still be committed
	loads      []*load
	read       *reading
	readUpTo   int       // of the commits, by the change log
	readAt     time.Time // up to when the log is applied; zero before
	raised     map[string]int
	gap        int                      // the event of the last one
	kept       map[name]map[bool]*value // by whether it is unknown
	down       bool
	trouble    bool // the database was down, or a read too slow
	faults     []string
}

func newModel(shared bool, staleFor time.Duration) *model {
	clock := NewClock(shared)
	for meet(clock) { // which would cost reads that the model doesn't expect
		clock = NewClock(shared)
	}
	breaker := newBreaker()
	m := &model{
		source: &Source{Clock: clock, Breaker: breaker, StaleFor: staleFor},
		raised: map[string]int{}, kept: map[name]map[bool]*value{},
	}
	m.cache = NewCache(m.source, 1<<20, 1<<20, func(name, *value) uint32 { return 1 })
	for _, n := range names {
		m.kept[n] = map[bool]*value{}
	}
	return m
}

// meet reports whether entities share a slot.
func meet(c *Clock) bool {
	slots := map[uint32]bool{}
	for _, e := range entities {
		slots[c.slot(e)] = true
	}
	return len(slots) < len(entities)
}

func (m *model) event() int { m.events++; return m.events }

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// committed counts the changes of an entity.
func (m *model) committed(entity string) int {
	n := 0
	for _, c := range m.commits {
		if c.entity == entity {
			n++
		}
	}
	return n
}

func (m *model) commit(here bool, entities ...string) []*commit {
	var made []*commit
	for _, e := range entities {
		made = append(made, &commit{entity: e, at: time.Now(), here: here})
	}
	m.commits = append(m.commits, made...)
	return made
}

// raise notes that values of the entities which were read before are out of date.
func (m *model) raise(entities ...string) {
	for _, e := range entities {
		m.raised[e] = m.event()
	}
}

// inForce notes that every value that is asked for from here on must have seen
// the changes.
func (m *model) inForce(commits ...*commit) {
	now := m.event()
	for _, c := range commits {
		c.inForce = now
	}
}

// actions are all that can happen, the frequent ones first: rapid prefers what
// comes first in the alphabet. Each is followed by whatever runs by itself.
func (m *model) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"a: get and load":            func(t *rapid.T) { m.get(t); m.finish() },
		"e: change here":             func(t *rapid.T) { m.changeHere(t); m.answer(t) },
		"b: get":                     m.get,
		"c: a load proceeds":         m.proceed,
		"h: change here, unanswered": m.changeHere,
		"i: it is answered":          m.answer,
		"z: the database goes down":  m.goDown,
		"f: it is up":                func(*rapid.T) { m.down = false },
	}
	if m.source.Clock.shared {
		actions["c: change elsewhere"] = func(t *rapid.T) { m.commit(false, some(t)...) }
		actions["c: the log is read and applied"] = func(t *rapid.T) { m.readLog(t); m.applyLog(t) }
		actions["j: the log is read"] = m.readLog
		actions["k: the log is applied"] = m.applyLog
		actions["l: a response is lost"] = m.lose
		actions["m: a transaction in doubt is committed"] = m.commitLate
	}
	for name, act := range actions {
		actions[name] = func(t *rapid.T) {
			defer m.pass(1)
			m.mu.Lock()
			defer m.mu.Unlock()
			act(t)
		}
	}
	actions["b: time passes"] = func(t *rapid.T) {
		m.pass(time.Duration(rapid.IntRange(1, 700).Draw(t, "ms")) * time.Millisecond)
	}
	actions[""] = func(t *rapid.T) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, fault := range m.faults {
			t.Error(fault)
		}
	}
	return actions
}

// goDown has the database go down, now and then.
func (m *model) goDown(t *rapid.T) {
	for range 3 {
		if rapid.Bool().Draw(t, "not yet") {
			t.Skip("not yet")
		}
	}
	m.down, m.trouble = true, true
}

// pass lets everything run that can, and time pass.
func (m *model) pass(d time.Duration) {
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
}

func some(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(entities), 1, 2, rapid.ID).Draw(t, "entities")
}

// get asks for a value. One that can be used must come from memory.
func (m *model) get(t *rapid.T) {
	n := rapid.SampledFrom(names).Draw(t, "name")
	call, mustHit := m.event(), m.usable(m.kept[n][false]) || m.usable(m.kept[n][true])
	m.all.Go(func() {
		load := func(ctx context.Context, asOf Version) (*value, error) {
			return m.load(ctx, asOf, n, mustHit)
		}
		v, age, err := m.cache.Get(context.Background(), 0, n, load)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.judge(n, call, v, age, err)
	})
}

// usable reports whether nothing speaks against a value: nothing that it was made
// of was invalidated, nothing was missed, and that was known a moment ago.
func (m *model) usable(v *value) bool {
	if v == nil || m.gap > v.begun {
		return false
	}
	for _, r := range v.rows {
		if m.raised[r.entity] > v.begun {
			return false
		}
	}
	known := v.begunAt
	if m.readAt.After(known) {
		known = m.readAt
	}
	return !m.source.Clock.shared || time.Since(known) <= time.Second
}

// load reads the rows of a value, one after the other, as the test lets it.
func (m *model) load(ctx context.Context, asOf Version, n name, mustHit bool) (*value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := &value{name: n, begun: m.event(), begunAt: time.Now()}
	if mustHit {
		m.fault("%s is read again without need", n)
	}
	if slices.ContainsFunc(m.loads, func(l *load) bool { return l.name == n }) {
		m.fault("%s is read twice at the same time", n)
	}
	l := &load{n, make(chan struct{})}
	m.loads = append(m.loads, l)
	defer func() {
		i := slices.Index(m.loads, l)
		m.loads = slices.Delete(m.loads, i, i+1)
	}()
	for _, e := range n.entities() {
		if !m.await(ctx, l) {
			return nil, ctx.Err()
		}
		if m.down {
			return nil, errDown
		}
		v.rows = append(v.rows, row{e, m.committed(e)})
	}
	if !m.await(ctx, l) {
		return nil, ctx.Err()
	}
	v.Dependencies = asOf.DependsOn(n.entities()...)
	m.kept[n][v.Unknown()] = v
	return v, nil
}

// await gives way until the load proceeds, and reports false if it takes too long.
func (m *model) await(ctx context.Context, l *load) bool {
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case <-l.step:
		return true
	case <-ctx.Done():
		return false
	}
}

// judge holds what the cache returned against all that was committed.
func (m *model) judge(n name, call int, v *value, age time.Duration, err error) {
	m.trouble = m.trouble || errors.Is(err, ErrTimeout)
	if err != nil {
		if !m.trouble || !errors.Is(err, errDown) && !errors.Is(err, ErrTimeout) {
			m.fault("%s: %v", n, err)
		}
		return
	}
	switch {
	case v.name != n:
		m.fault("%s: got %s", n, v.name)
	case age < 0 || age > m.source.StaleFor:
		m.fault("%s is %v stale", n, age)
	}
	for _, r := range v.rows {
		seen := 0
		for _, c := range m.commits {
			if c.entity != r.entity {
				continue
			}
			if seen++; seen > r.changes {
				m.mustNotMiss(n, c, call, age)
			}
		}
	}
}

// mustNotMiss judges a value without a change of something that it was made of.
func (m *model) mustNotMiss(n name, c *commit, call int, age time.Duration) {
	since := time.Since(c.at)
	switch {
	case c.inForce != 0 && c.inForce < call:
		m.fault("%s misses a change of %s that was in force before it was asked for", n, c.entity)
	case c.missed != 0 && c.missed < call && age == 0:
		m.fault("%s misses a change of %s though there was a gap since", n, c.entity)
	case !c.here && since > cmp.Or(age, time.Second):
		m.fault("%s, %v stale, misses a change of %s of %v ago", n, age, c.entity, since)
	}
}

func (m *model) proceed(t *rapid.T) {
	if len(m.loads) == 0 {
		t.Skip("no load is under way")
	}
	rapid.SampledFrom(m.loads).Draw(t, "load").step <- struct{}{}
}

func (m *model) changeHere(t *rapid.T) {
	if m.down {
		t.Skip("the database is down")
	}
	m.unanswered = append(m.unanswered, change{m.commit(true, some(t)...)})
}

// next takes one of the changes that aren't answered yet, and its entities.
func (m *model) next(t *rapid.T) (change, []string) {
	if len(m.unanswered) == 0 {
		t.Skip("no change waits for its answer")
	}
	i := rapid.IntRange(0, len(m.unanswered)-1).Draw(t, "which")
	taken := m.unanswered[i]
	m.unanswered = slices.Delete(m.unanswered, i, i+1)
	var ids []string
	for _, c := range taken.commits {
		ids = append(ids, c.entity)
	}
	return taken, ids
}

func (m *model) answer(t *rapid.T) {
	change, ids := m.next(t)
	m.source.Clock.Invalidate(ids...)
	m.raise(ids...)
	m.inForce(change.commits...)
}

// lose has the answer to a transaction be lost, which is committed already or
// will be, or never.
func (m *model) lose(t *rapid.T) {
	if !rapid.Bool().Draw(t, "committed") {
		m.doubt(some(t))
		return
	}
	change, ids := m.next(t)
	m.doubt(ids)
	m.inForce(change.commits...)
}

func (m *model) doubt(ids []string) {
	m.source.Clock.InDoubt(ids...)
	m.raise(ids...)
	m.lost = append(m.lost, transaction{ids, m.source.Clock.now() + time.Minute})
}

// commitLate commits a transaction whose answer was lost. As the change log
// doesn't tell a process of its own changes, nobody will speak of this one; it
// must be in force within a second, as those of others.
func (m *model) commitLate(t *rapid.T) {
	if m.down || len(m.lost) == 0 {
		t.Skip("the database is down, or no transaction is in doubt")
	}
	tx := rapid.SampledFrom(m.lost).Draw(t, "transaction")
	if m.source.Clock.now() > tx.until {
		t.Skip("too late")
	}
	for _, c := range m.commit(false, tx.ids...) {
		c.silent = true
	}
}

// readLog reads the log: to its end, or only a part of it, or not from where the
// last reading ended.
func (m *model) readLog(t *rapid.T) {
	if m.down || m.read != nil {
		t.Skip("the database is down, or the log is being read")
	}
	m.read = &reading{at: time.Now(), upTo: len(m.commits)}
	switch rapid.SampledFrom([]string{"all", "all", "a part", "a gap"}).Draw(t, "reading") {
	case "a part":
		m.read.at = m.readAt
		m.read.upTo = rapid.IntRange(m.readUpTo, len(m.commits)).Draw(t, "up to")
	case "a gap":
		m.read.gap = true
	}
}

// applyLog applies the reading; the first one begins at the end of the log. Values
// that may miss what a gap hides can still be used while the database is down, but
// not as if they were fresh.
func (m *model) applyLog(t *rapid.T) {
	if m.read == nil {
		t.Skip("the log isn't being read")
	}
	r := *m.read
	var told []*commit
	var ids []string
	for _, c := range m.commits[m.readUpTo:r.upTo] {
		if !c.here && !c.silent && !r.gap && !m.readAt.IsZero() {
			told, ids = append(told, c), append(ids, c.entity)
		}
	}
	m.source.Clock.Apply(LogReading{At: r.at, Changed: slices.Values(ids), Gap: r.gap})
	m.source.Breaker.Reset()
	m.raise(ids...)
	for _, tx := range m.lost {
		m.raise(tx.ids...)
	}
	m.inForce(told...)
	if r.gap || m.readAt.IsZero() {
		m.gap = m.event()
		for _, c := range m.commits[m.readUpTo:r.upTo] {
			c.missed = m.gap
		}
	}
	m.read, m.readUpTo = nil, r.upTo
	if r.at.After(m.readAt) {
		m.readAt = r.at
	}
}

// finish lets all loads end.
func (m *model) finish() {
	for m.settle(); len(m.loads) > 0; m.settle() {
		m.loads[0].step <- struct{}{}
	}
}

// settle lets everything run that can.
func (m *model) settle() {
	m.mu.Unlock()
	synctest.Wait()
	m.mu.Lock()
}

// drain ends what is under way.
func (m *model) drain() {
	m.mu.Lock()
	m.finish()
	m.mu.Unlock()
	m.all.Wait()
	m.cache.Close()
}
