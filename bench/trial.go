package main

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/latchkeyhq/latchkey/bench/report"
)

// trial is a comparison of sides that take turns: one turn each, round by round,
// so that whatever else the machine does troubles all alike.
type trial struct {
	id, title, about string
	sides            []side // the first is what the others are compared with
}

// side is one of what is compared.
type side struct {
	name     string
	open     func(*env) (turn, error) // makes it ready; a skip leaves the side out
	optional bool                     // so does any other error: it isn't ours, and may be missing here
}

// turn is a side that is ready.
type turn struct {
	run   func(time.Duration) (report.Metrics, error) // takes about that long
	close func() error                                // nil for nothing to close
}

// skip is why a side is left out of the run.
type skip struct{ error }

// compare runs a trial. An error of a side that had begun ends it: the answers
// were wrong or the server is gone, and neither is a figure.
func (e *env) compare(t trial) (report.Trial, error) {
	out := report.Trial{ID: t.id, Title: t.title, About: t.about}
	turns := make([]turn, len(t.sides))
	for i, s := range t.sides {
		out.Sides = append(out.Sides, report.Side{Name: s.name})
		ready, err := e.ready(s)
		if why := (skip{}); errors.As(err, &why) {
			out.Sides[i].Skipped = why.Error()
			e.say("  %s is skipped: %v", s.name, why)
			continue
		}
		if err != nil {
			return out, fmt.Errorf("%s: %s: %w", t.id, s.name, err)
		}
		turns[i] = ready
		if ready.close != nil {
			defer ready.close() // what was measured stands, whatever closing says
		}
	}
	for range e.rounds {
		for i, turn := range turns {
			if turn.run == nil {
				continue
			}
			metrics, err := turn.run(e.turn)
			if err != nil {
				return out, fmt.Errorf("%s: %s: %w", t.id, t.sides[i].name, err)
			}
			out.Sides[i].Add(metrics)
		}
	}
	return out, nil
}

// ready opens a side and lets it take half a turn that doesn't count.
func (e *env) ready(s side) (turn, error) {
	t, err := s.open(e)
	if err == nil {
		_, err = t.run(e.turn / 2)
	}
	if err != nil && s.optional {
		err = skip{err}
	}
	return t, err
}

// run runs the trials whose id matches.
func (e *env) run(trials []trial, only *regexp.Regexp, results *report.Results) error {
	for _, t := range trials {
		if !only.MatchString(t.id) {
			continue
		}
		begun := time.Now()
		e.say("%s: %s", t.id, t.title)
		done, err := e.compare(t)
		if err != nil {
			return err
		}
		done.Stamp = stamp(results.Versions)
		results.Put(done)
		e.say("  took %v", time.Since(begun).Round(time.Second))
	}
	return nil
}

// stamp says which Latchkey is measured, and when.
func stamp(versions map[string]string) string {
	return "Latchkey " + versions["Latchkey"] + ", " + time.Now().UTC().Format("2006-01-02 15:04 UTC")
}
