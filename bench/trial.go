package main

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/latchkeyhq/latchkey/bench/report"
)

// trial is a comparison of sides. Each round takes one sample of each side, so that other load on
// the machine affects all sides.
type trial struct {
	id, title, about string
	sides            []side // the others are compared with the first
}

// side is one side of a comparison.
type side struct {
	name string
	open func(*env) (runner, error) // prepares the side; a skip leaves it out
	// any other error leaves it out too: it is not ours and may be missing
	optional bool
}

// runner is a side that is ready.
type runner struct {
	run   func(time.Duration) (report.Metrics, error) // takes one sample of about this duration
	close func() error                                // nil if there is nothing to close
}

// skip is the reason for leaving a side out.
type skip struct{ error }

// compare runs a trial. An error of a running side ends the trial: its responses were wrong or its
// server is gone, and neither is a result.
func (e *env) compare(t trial) (report.Trial, error) {
	out := report.Trial{ID: t.id, Title: t.title, About: t.about}
	runners := make([]runner, len(t.sides))
	for i, s := range t.sides {
		out.Sides = append(out.Sides, report.Side{Name: s.name})
		ready, err := e.ready(s)
		if why := (skip{}); errors.As(err, &why) {
			out.Sides[i].Skipped = why.Error()
			e.logf("  %s is skipped: %v", s.name, why)
			continue
		}
		if err != nil {
			return out, fmt.Errorf("%s: %s: %w", t.id, s.name, err)
		}
		runners[i] = ready
		if ready.close != nil {
			defer ready.close() // the measurement is valid even if closing fails
		}
	}
	for range e.rounds {
		for i, r := range runners {
			if r.run == nil {
				continue
			}
			metrics, err := r.run(e.sampleTime)
			if err != nil {
				return out, fmt.Errorf("%s: %s: %w", t.id, t.sides[i].name, err)
			}
			out.Sides[i].Add(metrics)
		}
	}
	return out, nil
}

// ready opens a side and discards half a sample as warm-up.
func (e *env) ready(s side) (runner, error) {
	t, err := s.open(e)
	if err == nil {
		_, err = t.run(e.sampleTime / 2)
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
		began := time.Now()
		e.logf("%s: %s", t.id, t.title)
		done, err := e.compare(t)
		if err != nil {
			return err
		}
		done.Stamp = stamp(results.Versions)
		results.Put(done)
		e.logf("  took %v", time.Since(began).Round(time.Second))
	}
	return nil
}

// stamp returns the version of Latchkey and the time.
func stamp(versions map[string]string) string {
	return "Latchkey " + versions["Latchkey"] + ", " + time.Now().UTC().Format(
		"2006-01-02 15:04 UTC")
}
