package tally

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/events"
)

// ListQuestion asks for single events.
type ListQuestion struct {
	Kind     events.Kind
	Scope    Scope
	Filter   Filter
	From, To int64 // unix ms; To is the first ms after the time
	// OldestFirst is the order by time; the newest are first without it.
	OldestFirst bool
	Most        int
	// Place is the Event.Place from which on events are listed; "" for all.
	Place string
}

// Event is one event.
type Event struct {
	At        int64 // unix ms
	RequestID string
	Subject   events.Subject
	Outcome   string
	Tags      []string
	Amount    int64 // credits, or the cost
	Latency   int64 // µs, 0 if it wasn't measured
	Limit     int64
	Remaining int64
	Reset     int64 // unix ms
	Place     string
}

// ErrPlace is that a place isn't one.
var ErrPlace = errors.New("not a place in a list of events")

// listPlace is where an event is in the list. Among those of equal time and request, it has a
// number of others before it.
type listPlace struct {
	at      int64
	before  int
	request string
}

func (p listPlace) text() string { return fmt.Sprintf("%d_%d_%s", p.at, p.before, p.request) }

func parsePlace(text string) (p listPlace, err error) {
	at, rest, _ := strings.Cut(text, "_")
	before, request, found := strings.Cut(rest, "_")
	p.request = request
	if p.at, err = strconv.ParseInt(at, 10, 64); err != nil || !found {
		return p, ErrPlace
	}
	const mostEqual = 10_000 // far more than a request decides
	if p.before, err = strconv.Atoi(before); err != nil || p.before < 0 || p.before > mostEqual {
		return p, ErrPlace
	}
	return p, nil
}

// List returns events in the order of a question, the most and one more at most, or fewer if their
// texts have more than MaxListBytes. Its errors are
// ErrPlace, ErrUnavailable, or of the context.
func List(ctx context.Context, log *events.Log, q *ListQuestion) ([]Event, error) {
	l := &lister{q: q, scope: newScope(q.Scope, q.Filter), most: q.Most + 1}
	if q.Place != "" {
		p, err := parsePlace(q.Place)
		if err != nil {
			return nil, err
		}
		l.place, l.most = &p, l.most+p.before
	}
	if err := read(ctx, log, func(s *events.Snapshot) error { return l.run(ctx, s) }); err != nil {
		return nil, err
	}
	return l.page(), nil
}

// lister collects the first events of the list.
type lister struct {
	q      *ListQuestion
	scope  *scope
	place  *listPlace
	most   int
	events []Event
	bytes  int // of their texts
	// full says that the last event is the last one of enough; later ones aren't needed.
	full bool
	last Event
}

// before compares two events by their order in the list.
func (l *lister) before(a, b *Event) int {
	c := cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.RequestID, b.RequestID))
	if !l.q.OldestFirst {
		c = -c
	}
	return cmp.Or(c, strings.Compare(a.Subject.Space, b.Subject.Space),
		strings.Compare(a.Subject.Key, b.Subject.Key), strings.Compare(a.Outcome, b.Outcome),
		cmp.Compare(b.Remaining, a.Remaining), cmp.Compare(a.Amount, b.Amount))
}

func (l *lister) run(ctx context.Context, snapshot *events.Snapshot) error {
	from, to := l.q.From, l.q.To-1
	if p := l.place; p != nil && l.q.OldestFirst {
		from = max(from, p.at)
	} else if p != nil {
		to = min(to, p.at)
	}
	if from > to {
		return nil
	}
	parts, err := snapshot.Parts(ctx, events.Query{
		Kind: l.q.Kind, Step: events.Raw, From: from, To: to,
	})
	if err != nil {
		return err
	}
	slices.SortFunc(parts, func(a, b events.Part) int {
		if l.q.OldestFirst {
			return cmp.Compare(a.First, b.First)
		}
		return cmp.Compare(b.Last, a.Last)
	})
	for _, p := range parts {
		if l.full && (l.q.OldestFirst && p.First > l.last.At || !l.q.OldestFirst && p.Last < l.last.At) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := snapshot.Read(ctx, p, events.AllColumns, l.scope.sees)
		if err != nil {
			return err
		}
		if b != nil {
			l.block(b, from, to)
		}
	}
	return nil
}

// block collects the events of a block.
func (l *lister) block(b *events.Block, from, to int64) {
	v := l.scope.viewOf(l.q.Kind, b)
	names := Outcomes(l.q.Kind)
	for i := range b.Rows {
		if b.Time[i] < from || b.Time[i] > to || !v.has(b, i) {
			continue
		}
		e := Event{
			At: b.Time[i], RequestID: b.Request[i], Subject: b.Subjects[b.Subject[i]],
			Tags: b.TagSets[b.Tags[i]], Amount: b.Amount[i], Latency: b.Latency[i],
			Limit: b.Limit[i], Remaining: b.Left[i], Reset: b.Reset[i],
		}
		if e.Reset == e.At {
			e.Reset = 0 // a missing column
		}
		if o := int(b.Outcome[i]); o < len(names) {
			e.Outcome = names[o]
		}
		if l.isBefore(&e) || l.full && l.before(&e, &l.last) > 0 {
			continue
		}
		e.own()
		l.bytes += e.size()
		l.events = append(l.events, e)
		if len(l.events) >= 4*l.most+1024 || l.bytes > 2*MaxListBytes {
			l.cut()
		}
	}
	l.cut()
}

// own makes the texts of an event its own. They are parts of a block, which would stay in memory.
func (e *Event) own() {
	s := &e.Subject
	for _, text := range []*string{
		&e.RequestID, &s.Workspace, &s.Space, &s.Key, &s.Identity, &s.External, &s.Override,
	} {
		*text = strings.Clone(*text)
	}
	tags := make([]string, len(e.Tags))
	for i := range tags {
		tags[i] = strings.Clone(e.Tags[i])
	}
	e.Tags = tags
}

// isBefore reports whether an event is before the place.
func (l *lister) isBefore(e *Event) bool {
	if l.place == nil {
		return false
	}
	c := cmp.Or(cmp.Compare(e.At, l.place.at), strings.Compare(e.RequestID, l.place.request))
	return l.q.OldestFirst && c < 0 || !l.q.OldestFirst && c > 0
}

// MaxListBytes is from how many bytes of texts on a list ends, at the latest.
const MaxListBytes = 8 << 20

// size is how many bytes the texts have that differ from event to event.
func (e *Event) size() int {
	n := len(e.RequestID) + len(e.Subject.Key) + len(e.Subject.External)
	for _, tag := range e.Tags {
		n += len(tag)
	}
	return n
}

// cut keeps no more events than are needed.
func (l *lister) cut() {
	if len(l.events) < l.most && l.bytes <= MaxListBytes {
		return
	}
	slices.SortStableFunc(l.events, func(a, b Event) int { return l.before(&a, &b) })
	keep, least := 0, 2 // those before the place, one that is listed, and the next one
	if l.place != nil {
		least += l.place.before
	}
	for l.bytes = 0; keep < min(l.most, len(l.events)); keep++ {
		if keep >= least && l.bytes > MaxListBytes {
			break
		}
		if keep >= least-2 { // those before the place aren't listed
			l.bytes += l.events[keep].size()
		}
	}
	l.full = l.full || keep < len(l.events) || keep == l.most
	clear(l.events[keep:])
	l.events = l.events[:keep]
	l.last = l.events[keep-1]
}

// page returns the events with their places.
func (l *lister) page() []Event {
	slices.SortStableFunc(l.events, func(a, b Event) int { return l.before(&a, &b) })
	skip, equal := 0, 0
	for i := range l.events {
		e := &l.events[i]
		if i > 0 && e.At == l.events[i-1].At && e.RequestID == l.events[i-1].RequestID {
			equal++
		} else {
			equal = 0
		}
		e.Place = listPlace{e.At, equal, e.RequestID}.text()
		if p := l.place; p != nil && e.At == p.at && e.RequestID == p.request && equal < p.before {
			skip = i + 1
		}
	}
	return l.events[min(skip, len(l.events)):]
}
