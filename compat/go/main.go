// Command compat exercises the official Go SDK of Unkey, as it is published,
// against a running Latchkey.
//
// compat/run sets its environment:
//
//	BASE_URL      the URL of the server
//	ROOT_KEY      a root key with every permission in its workspace
//	ROOT_KEY_CMD  a command; with permissions as arguments, its last line of output
//	              is a new root key with these permissions
//	LATCHKEY      the latchkey program, configured to call the server as its operator
//
// Its last line of output is the number of passed and failed checks. It fails if any check
// failed.
package main

import (
	"context"
	"fmt"
	"os"

	unkey "github.com/unkeyed/sdks/api/go/v2"
)

// suite is the shared state of the scenarios.
type suite struct {
	tally
	ctx  context.Context
	un   *unkey.Unkey // uses ROOT_KEY
	seen *recorder    // the operations that succeeded
}

// scenarios run in this order. The last one checks what the others called.
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
	s := &suite{ctx: context.Background(), seen: &recorder{succeeded: map[string]bool{}}}
	s.un = s.client(env("ROOT_KEY"))
	for _, scenario := range scenarios {
		s.run(scenario.name, func() { scenario.run(s) })
	}
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 {
		os.Exit(1)
	}
}

// client returns an SDK client with a root key.
func (s *suite) client(rootKey string, options ...unkey.SDKOption) *unkey.Unkey {
	options = append([]unkey.SDKOption{
		unkey.WithServerURL(env("BASE_URL")),
		unkey.WithSecurity(rootKey),
		unkey.WithClient(s.seen),
	}, options...)
	return unkey.New(options...)
}
