// Command bench measures Latchkey beside the ceilings of the machine and beside
// those who do the same work, and writes RESULTS.md, results.svg and
// results.json. README.md says how.
//
//	bench               everything, in a quarter of an hour
//	bench -quick        a smoke test, in a minute or two
//	bench -only http32  the trials whose id matches; the others keep their figures
//	bench -soak 1h      memory under a long load
//	bench -report       the report anew from results.json
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/latchkeyhq/latchkey/bench/report"
	"github.com/latchkeyhq/latchkey/bench/servers"
)

// The files that are written, in the working directory.
const (
	rawFile    = "results.json"
	chartFile  = "results.svg"
	reportFile = "RESULTS.md"
)

// options is what was asked for on the command line.
type options struct {
	quick  bool
	only   string
	soak   time.Duration
	report bool
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == serverCommand {
		fail(servers.Run(context.Background(), os.Args[2], servers.Config{Postgres: os.Getenv(dsnVariable), Redis: os.Args[3]}, os.Stdout))
		return
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "a smoke test: few and short turns, little data")
	flag.StringVar(&o.only, "only", "", "only the trials whose id matches this regular `expression`")
	flag.DurationVar(&o.soak, "soak", 0, "only watch memory under load for that `long`")
	flag.BoolVar(&o.report, "report", false, "only write the report anew")
	flag.Parse()
	fail(o.main())
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// main does what was asked for. A run that fails leaves the files as they were.
func (o options) main() error {
	if o.report {
		results, err := report.Read(rawFile)
		if err != nil {
			return err
		}
		return write(results)
	}
	results, err := o.measure()
	if err != nil {
		return err
	}
	return write(results)
}

// write writes the three files.
func write(r *report.Results) error {
	return errors.Join(
		r.Write(rawFile),
		os.WriteFile(chartFile, []byte(report.SVG(r, panels())), 0o644),
		os.WriteFile(reportFile, []byte(report.Markdown(r, goals(), chartFile)), 0o644),
	)
}

// measure runs the trials. What this run doesn't measure is kept from the raw data
// that is there, if that is of the same kind.
func (o options) measure() (*report.Results, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	e, err := newEnv()
	if err != nil {
		return nil, err
	}
	stopAtSignal(e)
	defer e.close()
	if o.quick {
		e.quick, e.rounds, e.turn = true, 2, 250*time.Millisecond
	}
	results := o.begin(e)
	if o.soak > 0 {
		trial, err := e.soak(o.soak)
		trial.Stamp = stamp(results.Versions)
		results.Put(trial)
		return finish(results), err
	}
	if err := e.run(trials(), only, results); err != nil {
		return nil, err
	}
	return finish(results), nil
}

// trials are all there are, in the order of the report: first in process, while
// no server shares the machine.
func trials() []trial {
	return slices.Concat(
		[]trial{disk(), limiters()}, inThisProcess(),
		[]trial{overConnections(1), overConnections(32), overConnections(64), atShareOfMost(), besideWrites(), creating()},
		rivals(), shared(), growing(),
	)
}

// begin returns the results that this run adds to.
func (o options) begin(e *env) *report.Results {
	results := &report.Results{}
	if old, err := report.Read(rawFile); err == nil && old.Quick == o.quick {
		results.Trials, results.Commands = old.Trials, old.Commands
	}
	if o.only == "" && o.soak == 0 { // a whole run begins anew, but keeps a soak
		results.Commands = nil
		results.Trials = slices.DeleteFunc(results.Trials, func(t report.Trial) bool { return t.ID != "soak" })
	}
	results.Began, results.Quick, results.Rounds = time.Now(), o.quick, e.rounds
	results.Machine, results.Versions = describeMachine(e.dir), versions()
	command := "GOMAXPROCS=" + fmt.Sprint(runtime.GOMAXPROCS(0)) + " bench " + strings.Join(os.Args[1:], " ")
	if command = strings.TrimSpace(command); !slices.Contains(results.Commands, command) {
		results.Commands = append(results.Commands, command)
	}
	return results
}

// finish notes how long the run took.
func finish(r *report.Results) *report.Results {
	r.Took = time.Since(r.Began).Round(time.Second).String()
	return r
}

// stopAtSignal stops the servers when the run is interrupted.
func stopAtSignal(e *env) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		_ = e.close()
		os.Exit(1)
	}()
}
