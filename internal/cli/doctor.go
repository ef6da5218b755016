package cli

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// doctorCmd looks for what is or will be wrong with an installation. It takes the settings
// of latchkey serve.
type doctorCmd struct {
	serveCmd
}

// Help is the manual of latchkey doctor.
func (doctorCmd) Help() string {
	return `Checks an installation as this machine sees it, with the flags, the environment and the
configuration file of latchkey serve: settings, file modes, the master key, the database, its
schema, Redis, the certificate, the clock, disk space, whether the disk really writes, and backups.
It changes nothing, and can run beside the service. Each finding says what to do. Exit status 0
without an error, else 1; warnings don't count.

Examples:

    sudo latchkey --data /var/lib/latchkey doctor
    latchkey --json doctor --config /etc/latchkey/config.json`
}

// The grades of a finding.
const (
	gradeOK    = "ok"
	gradeWarn  = "warn"
	gradeError = "error"
)

// finding is what one check has found.
type finding struct {
	Check string `json:"check"`
	Grade string `json:"grade"` // ok, warn or error
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"` // what to do, unless all is well
}

func fine(format string, args ...any) finding {
	return finding{Grade: gradeOK, Found: fmt.Sprintf(format, args...)}
}

func warning(fix, format string, args ...any) finding {
	return finding{Grade: gradeWarn, Found: fmt.Sprintf(format, args...), Fix: fix}
}

func failing(fix, format string, args ...any) finding {
	return finding{Grade: gradeError, Found: fmt.Sprintf(format, args...), Fix: fix}
}

// errFindings is the error of latchkey doctor if a finding is an error.
var errFindings = errors.New("something is wrong: see the findings of grade error")

// checkTime bounds each check.
const checkTime = 15 * time.Second

// Run makes all checks and prints what they found.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	if a.Data == "" {
		return errors.New("there is no home folder for the data; name a folder with --data")
	}
	checks := []struct {
		name string
		run  func(context.Context, *app) finding
	}{
		{"data folder", c.checkFolder},
		{"file modes", c.checkModes},
		{"database", c.checkDatabase},
		{"schema", c.checkSchema},
		{"master key", c.checkMasterKey},
		{"redis", c.checkRedis},
		{"service", c.checkService},
		{"transport", c.checkTransport},
		{"clock", c.checkClock},
		{"disk space", c.checkSpace},
		{"disk writes", c.checkWrites},
		{"backups", c.checkBackups},
	}
	findings := make([]finding, len(checks))
	wrong := false
	for i, check := range checks {
		limited, cancel := context.WithTimeout(ctx, checkTime)
		findings[i] = check.run(limited, a)
		cancel()
		findings[i].Check = check.name
		wrong = wrong || findings[i].Grade == gradeError
	}
	if err := a.printFindings(findings); err != nil {
		return err
	}
	if wrong {
		return errFindings
	}
	return nil
}

func (a *app) printFindings(findings []finding) error {
	if a.JSON {
		return a.printJSON(findings)
	}
	lines := make([]line, 0, 2*len(findings))
	for _, f := range findings {
		lines = append(lines, line{f.Check, f.Grade + ": " + f.Found})
		if f.Fix != "" {
			lines = append(lines, line{"", "  → " + f.Fix})
		}
	}
	return printLines(a, lines)
}
