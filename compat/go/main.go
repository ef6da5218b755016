// Command compat exercises the official Go SDK of Unkey, as it is published,
// against a running Latchkey.
//
// It takes the server from the environment, as compat/run sets it:
//
//	BASE_URL      where the server is
//	ROOT_KEY      a root key that may do everything in its workspace
//	ROOT_KEY_CMD  a command; with permissions appended as arguments it prints,
//	              on its last line, a new root key that holds them
//	LATCHKEY      the latchkey program, set up to reach the server as its operator
//
// It ends with one line, how many checks passed and how many failed, and fails
// if any did.
package main

import (
	"context"
	"fmt"
	"os"

	unkey "github.com/unkeyed/sdks/api/go/v2"
)

// suite is what the scenarios share.
type suite struct {
	tally
	ctx  context.Context
	un   *unkey.Unkey // holds ROOT_KEY
	seen *recorder    // the operations that were answered with success
}

// scenarios are run in this order; the last one looks back at the others.
var scenarios = []struct {
	name string
	run  func(*suite)
}{
	{"apis", (*suite).apis},
	{"identities", (*suite).identities},
	{"permissions", (*suite).permissions},
	{"keys", (*suite).keys},
	{"updates", (*suite).updates},
	{"credits", (*suite).credits},
	{"grants", (*suite).grants},
	{"migration", (*suite).migration},
	{"verification", (*suite).verification},
	{"rate limits of keys", (*suite).keyLimits},
	{"rate limits", (*suite).ratelimits},
	{"overrides", (*suite).overrides},
	{"paging", (*suite).paging},
	{"errors of every operation", (*suite).errorsOfAll},
	{"other errors", (*suite).otherErrors},
	{"retries", (*suite).retries},
	{"completeness", (*suite).completeness},
}

func main() {
	s := &suite{ctx: context.Background(), seen: &recorder{answered: map[string]bool{}}}
	s.un = s.client(env("ROOT_KEY"))
	for _, scenario := range scenarios {
		s.run(scenario.name, func() { scenario.run(s) })
	}
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 {
		os.Exit(1)
	}
}

// client is the SDK with a root key.
func (s *suite) client(rootKey string, options ...unkey.SDKOption) *unkey.Unkey {
	options = append([]unkey.SDKOption{
		unkey.WithServerURL(env("BASE_URL")),
		unkey.WithSecurity(rootKey),
		unkey.WithClient(s.seen),
	}, options...)
	return unkey.New(options...)
}
