// Command bench compares Latchkey with the ceilings of the machine and with rival products, and
// writes RESULTS.md, results.svg and results.json. README.md describes the method.
//
//	bench               everything, in 15 minutes
//	bench -quick        a smoke test, in one or two minutes
//	bench -only http32  the trials whose id matches; keeps the figures of the others
//	bench -soak 1h      memory under a long load
//	bench -report       rewrites the report from results.json
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

// The output files, in the working directory.
const (
	rawFile    = "results.json"
	chartFile  = "results.svg"
	reportFile = "RESULTS.md"
)

// options are the command line options.
type options struct {
	quick  bool
	only   string
	soak   time.Duration
	report bool
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == serverCommand {
		fail(servers.Run(context.Background(), os.Args[2],
			servers.Config{Postgres: os.Getenv(dsnVariable), Redis: os.Args[3]}, os.Stdout))
		return
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "a smoke test: few and short samples, little data")
	flag.StringVar(&o.only, "only", "", "only trials whose id matches this regular `expression`")
	flag.DurationVar(&o.soak, "soak", 0, "only measure memory under load for this `duration`")
	flag.BoolVar(&o.report, "report", false, "only rewrite the report")
	flag.Parse()
	fail(o.main())
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// main runs the trials and writes the files. A failed run does not change the files.
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

// write writes the output files.
func write(r *report.Results) error {
	return errors.Join(
		r.Write(rawFile),
		os.WriteFile(chartFile, []byte(report.SVG(r, panels())), 0o644),
		os.WriteFile(reportFile, []byte(report.Markdown(r, goals(), chartFile)), 0o644),
	)
}

// measure runs the trials. It keeps the figures of other trials from existing raw data of the same
// kind.
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
		e.quick, e.rounds, e.sampleTime = true, 2, 250*time.Millisecond
	}
	results := o.newResults(e)
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

// trials returns all trials in the order of the report. The trials in process come first, before
// any server runs.
func trials() []trial {
	return slices.Concat(
		[]trial{diskTrial(), limiterTrials()}, inProcessTrials(),
		[]trial{httpTrial(1), httpTrial(32), httpTrial(64), latencyAtLoad(), verifyUnderWrites(),
			createTrial(), gateTrial()},
		rivalTrials(), clusterTrials(), growthTrials(),
	)
}

// newResults returns the results that this run adds to.
func (o options) newResults(e *env) *report.Results {
	results := &report.Results{}
	if old, err := report.Read(rawFile); err == nil && old.Quick == o.quick {
		results.Trials, results.Commands = old.Trials, old.Commands
	}
	if o.only == "" && o.soak == 0 { // a full run replaces everything except a soak
		results.Commands = nil
		results.Trials = slices.DeleteFunc(results.Trials,
			func(t report.Trial) bool { return t.ID != "soak" })
	}
	results.Began, results.Quick, results.Rounds = time.Now(), o.quick, e.rounds
	results.Machine, results.Versions = describeMachine(e.dir), versions()
	command := "GOMAXPROCS=" + fmt.Sprint(runtime.GOMAXPROCS(0)) + " bench " +
		strings.Join(os.Args[1:], " ")
	if command = strings.TrimSpace(command); !slices.Contains(results.Commands, command) {
		results.Commands = append(results.Commands, command)
	}
	return results
}

// finish records the duration of the run.
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
