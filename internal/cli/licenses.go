package cli

import (
	"fmt"

	"github.com/latchkeyhq/latchkey/internal/licenses"
)

// licensesCmd prints the licenses of everything that is linked into the program.
type licensesCmd struct{}

// Run prints the licenses.
func (licensesCmd) Run(a *app) error {
	_, err := fmt.Fprint(a.stdout, licenses.Notices)
	return err
}
