package coherence

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// alone returns the source of a database that nobody else changes.
func alone() *Source { return &Source{Clock: NewClock(false), Breaker: newBreaker()} }

// shared returns the source of a database that others change too, whose change
// log has been read once.
func shared(staleFor time.Duration) *Source {
	s := &Source{Clock: NewClock(true), Breaker: newBreaker(), StaleFor: staleFor}
	s.Clock.Apply(LogReading{At: time.Now()})
	return s
}

// A value is unusable if any of its entities was invalidated since its version was
// obtained.
func TestVersionsOrderReadsAndChanges(t *testing.T) {
	c := NewClock(false)
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprint("entity ", i)
	}
	for i, id := range ids {
		asOf := c.Version()
		before := asOf.DependsOn(ids...)
		c.Invalidate("another", id)
		late, after := asOf.DependsOn(ids...), c.Version().DependsOn(ids...)
		if c.usable(&before) || c.usable(&late) || !c.usable(&after) {
			t.Errorf("entity %d: usable before %v, read before %v, after %v",
				i, c.usable(&before), c.usable(&late), c.usable(&after))
		}
	}
}

func TestNothingIsUsedForLongerThanASecondWithoutTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shared(0).Clock
		d := c.Version().DependsOn("key")
		for _, step := range []struct {
			sleep  time.Duration
			apply  bool
			usable bool
			lag    time.Duration
		}{
			{time.Second, false, true, time.Second},
			{1, false, false, time.Second + 1},
			{time.Second, true, true, 0},
			{time.Second, false, true, time.Second},
			{1, false, false, time.Second + 1},
		} {
			time.Sleep(step.sleep)
			if step.apply {
				c.Apply(LogReading{At: time.Now()})
			}
			if c.usable(&d) != step.usable || c.Lag() != step.lag {
				t.Errorf("after %v: usable %v, lag %v, want %+v", c.now(), c.usable(&d), c.Lag(),
					step)
			}
		}
	})
}

// Its age is not that of the moment when it was built after the read, nor that of an
// earlier reading of the change log.
func TestAValueIsAsOldAsItsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shared(0).Clock
		time.Sleep(900 * time.Millisecond)
		asOf := c.Version()
		time.Sleep(600 * time.Millisecond)
		d := asOf.DependsOn("key")
		time.Sleep(400 * time.Millisecond)
		if age, _ := c.age(&d); !c.usable(&d) || age != time.Second {
			t.Errorf("a second after the read: usable %v, %v old", c.usable(&d), age)
		}
		if time.Sleep(time.Nanosecond); c.usable(&d) {
			t.Error("it is used for longer than a second")
		}
	})
}

// However late the earlier one writes its version.
func TestTheLaterOfTwoChangesWins(t *testing.T) {
	c := NewClock(false)
	c.Invalidate("others")
	between := c.Version().DependsOn("key")
	c.Invalidate("key")
	c.raise("key", 1)
	if c.usable(&between) {
		t.Error("what was read before the later change is used")
	}
}

// A reading that didn't reach the end of the log says nothing about the present.
func TestALogReadingOfUnknownTimeRenewsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shared(0).Clock
		began := time.Now()
		d := c.Version().DependsOn("key")
		time.Sleep(2 * time.Second)
		for _, at := range []time.Time{
			{}, began.Add(-time.Minute), began.Add(999 * time.Millisecond),
		} {
			if c.Apply(LogReading{At: at}); c.usable(&d) {
				t.Errorf("a reading of %v is as good as one of now", at)
			}
		}
		c.Apply(LogReading{At: time.Now()})
		for _, at := range []time.Time{{}, began} {
			if c.Apply(LogReading{At: at}); !c.usable(&d) || c.Lag() != 0 {
				t.Errorf("a reading of %v undoes what an earlier one said", at)
			}
		}
	})
}

func TestAGapInvalidatesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewClock(true)
		for _, gap := range []bool{false, true} { // the first reading is one
			before := c.Version().DependsOn("key")
			time.Sleep(time.Second)
			if lag := c.Lag(); lag != time.Second {
				t.Errorf("the lag is %v, want a second", lag)
			}
			c.Apply(LogReading{At: time.Now(), Gap: gap})
			if c.usable(&before) {
				t.Error("what was read before is still used")
			}
			if age, current := c.age(&before); !current || age != time.Second {
				t.Errorf("it was right %v ago, or is known to be wrong (%v), want a second", age,
					!current)
			}
			if after := c.Version().DependsOn("key"); !c.usable(&after) {
				t.Error("what was read after is not used")
			}
		}
	})
}

// A value from before a gap was known to be right when it was read, not when the log
// was applied again.
func TestAGapDoesNotRenewValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shared(0).Clock
		before := c.Version().DependsOn("key")
		time.Sleep(20 * time.Second)
		c.Apply(LogReading{At: time.Now()})
		if age, current := c.age(&before); !current || age != 0 {
			t.Errorf("without a gap: %v old, current %v", age, current)
		}
		time.Sleep(30 * time.Second)
		c.Apply(LogReading{At: time.Now(), Gap: true})
		time.Sleep(11 * time.Second)
		if age, current := c.age(&before); !current || age != 61*time.Second {
			t.Errorf("after a gap: %v old, current %v, want 61s", age, current)
		}
	})
}

// A transaction whose response was lost can be committed later, and the log doesn't
// show a process its own changes.
func TestAnInDoubtTransactionIsInvalidatedForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shared(0).Clock
		before := c.Version().DependsOn("key")
		c.InDoubt("other", "key")
		if c.usable(&before) {
			t.Error("what was read before is used")
		}
		for range 2 * 59 {
			between := c.Version().DependsOn("key")
			time.Sleep(500 * time.Millisecond)
			c.Apply(LogReading{At: time.Now()})
			if c.usable(&between) {
				t.Fatalf("after %v, what was read before a late commit is used", c.now())
			}
		}
		time.Sleep(2 * time.Second)
		after := c.Version().DependsOn("key")
		c.Apply(LogReading{At: time.Now()})
		if !c.usable(&after) || len(c.inDoubt) != 0 {
			t.Error("the doubt lasts for ever")
		}
	})
}

// A value that is too old can become usable again when the log is applied, but only
// together with the log's changes.
func TestAReadingCountsOnlyAfterItsChangesAreApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shared(0).Clock
		c.InDoubt("doubtful")
		read, doubtful := c.Version().DependsOn("key"), c.Version().DependsOn("doubtful")
		time.Sleep(2 * time.Second)
		asked := 0
		c.Apply(LogReading{At: time.Now(), Changed: func(yield func(string) bool) {
			for _, id := range []string{"others", "key", "more"} {
				if c.usable(&read) || c.usable(&doubtful) {
					t.Error("what a change has spoiled is used while the change is being applied")
				}
				asked++
				if !yield(id) {
					return
				}
			}
		}})
		if asked != 3 || c.usable(&read) || c.usable(&doubtful) {
			t.Errorf("after %d of 3 changes, what they have spoiled is used", asked)
		}
	})
}
