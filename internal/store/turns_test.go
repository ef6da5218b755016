package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestTurnsAreFair compares random arrivals and turns with what is promised: in one lane and
// workspace changes keep their order; while a workspace waits, no other one is served
// twice in its lane; while a revocation waits, no two other changes are served in a row;
// and no lane waits for ever behind a flood of the ones before it.
func TestTurnsAreFair(t *testing.T) {
	longest := [lanes]int{
		Urgent: 1, Spends: 2*maxStreak + 1, Ordinary: 2*(maxStreak+1)*(maxStreak+1) - 1,
		bulk: (maxStreak+1)*(maxStreak+1)*(maxStreak+1) - 1,
	}
	rapid.Check(t, func(t *rapid.T) {
		var turns turns
		waiting := map[Turn][]*job{}
		overtakenBy := map[Turn]map[string]int{} // who was served since the turn waits
		var passedOver [lanes]int                // how often each lane waited in vain
		workspaces := rapid.SampledFrom([]string{"", "a", "b", "c", "d"})
		lane := rapid.SampledFrom(byUrgency[:])
		take := func() {
			j := turns.take(false)
			if j == nil {
				for turn, jobs := range waiting {
					t.Fatalf("nobody is served, and %d of %v wait", len(jobs), turn)
				}
				return
			}
			if first := waiting[j.turn][0]; j != first {
				t.Fatalf("%v is served out of order", j.turn)
			}
			for turn := range waiting {
				if turn.Lane != j.turn.Lane || turn == j.turn {
					continue
				}
				if overtakenBy[turn][j.turn.Workspace]++; overtakenBy[turn][j.turn.Workspace] > 1 {
					t.Fatalf("%v is served twice while %v waits", j.turn, turn)
				}
			}
			overtakenBy[j.turn] = map[string]int{}
			if waiting[j.turn] = waiting[j.turn][1:]; len(waiting[j.turn]) == 0 {
				delete(waiting, j.turn)
			}
			var waits [lanes]bool
			for turn := range waiting {
				waits[turn.Lane] = true
			}
			for _, l := range byUrgency {
				if passedOver[l]++; l == j.turn.Lane || !waits[l] {
					passedOver[l] = 0
				}
				if passedOver[l] > longest[l] {
					t.Fatalf("lane %d waits for %d turns, want at most %d",
						l, passedOver[l], longest[l])
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) {
				turn := Turn{workspaces.Draw(t, "workspace"), lane.Draw(t, "lane")}
				for range rapid.IntRange(1, 40).Draw(t, "changes") {
					j := &job{turn: turn}
					if !turns.add(j) {
						t.Fatalf("a change is refused, and only %d wait", len(waiting[turn]))
					}
					if len(waiting[turn]) == 0 {
						overtakenBy[turn] = map[string]int{}
					}
					waiting[turn] = append(waiting[turn], j)
				}
			},
			"serve": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "turns") {
					take()
				}
			},
			"": func(t *rapid.T) {
				if turns.empty() != (len(waiting) == 0) {
					t.Fatalf("empty: %v, and %d workspaces wait", turns.empty(), len(waiting))
				}
			},
		})
		for len(waiting) > 0 {
			take()
		}
	})
}

// TestTooManyChangesOfAWorkspaceAreRefused: a full line refuses changes of its workspace
// in its lane, and no others. The service itself is never refused.
func TestTooManyChangesOfAWorkspaceAreRefused(t *testing.T) {
	q := newQueue()
	for range 1024 {
		for _, workspace := range []string{"full", ""} {
			if err := q.add(&job{turn: Turn{Workspace: workspace}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := q.add(&job{turn: Turn{Workspace: "full"}}); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want %v", err, ErrBusy)
	}
	for _, turn := range []Turn{{}, {Workspace: "full", Lane: Urgent}, {Workspace: "other"}} {
		if err := q.add(&job{turn: turn}); err != nil {
			t.Errorf("%v: %v", turn, err)
		}
	}
	for q.take(false).turn.Workspace != "full" { // as soon as one is served, there is room
	}
	q.close()
	if err := q.add(&job{}); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want %v", err, ErrClosed)
	}
}

// TestARevocationOvertakesAQueue: it is the next change, whoever waits.
func TestARevocationOvertakesAQueue(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		var order []string
		works := make([]func(context.Context, *Tx) error, 30)
		for i := range works {
			works[i] = func(context.Context, *Tx) error {
				order = append(order, fmt.Sprint(i))
				return nil
			}
		}
		turn := func(i int) Turn {
			if i == len(works)-1 {
				return Turn{"victim", Urgent}
			}
			return Turn{Workspace: "hostile"}
		}
		for i, err := range togetherFor(t, db, turn, works...) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if len(order) == 0 || order[0] != "29" {
			t.Errorf("the order is %v, want the last one first", order)
		}
	})
}

// TestAHeavyChangeIsAlone: others' changes don't wait for a heavy one in their group. The
// first one, before it is known that its workspace makes heavy ones, ends the group.
func TestAHeavyChangeIsAlone(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		db := open(t, where)
		var made string
		change := func(name string, weight int) func(context.Context, *Tx) error {
			return func(_ context.Context, tx *Tx) error {
				if rehearsed(db, tx) {
					return nil
				}
				if len(tx.touched) == 0 {
					made += "| " // a group begins
				}
				made += name + " "
				tx.Touch(name)
				tx.weight = weight
				return nil
			}
		}
		hostile := change("heavy", heavy+1)
		works := []func(context.Context, *Tx) error{
			hostile, hostile, hostile, change("light", heavy), change("revocation", 1),
		}
		turns := []Turn{
			{Workspace: "hostile"}, {Workspace: "hostile"}, {Workspace: "hostile"},
			{Workspace: "other"}, {"other", Urgent},
		}
		first := "| revocation heavy | light heavy | heavy "
		if db.Shared() { // they were taken together, and the heavy ones put back
			first = "| revocation heavy | light | heavy | heavy "
		}
		for _, want := range []string{first, "| revocation light | heavy | heavy | heavy "} {
			made = ""
			turn := func(i int) Turn { return turns[i] }
			if err := errors.Join(togetherFor(t, db, turn, works...)...); err != nil {
				t.Fatal(err)
			}
			if made != want {
				t.Errorf("the groups are %q, want %q", made, want)
			}
		}
	})
}
