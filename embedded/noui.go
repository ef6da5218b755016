//go:build noui

package embedded

import "github.com/latchkeyhq/latchkey/internal/server"

// openUI returns no dashboard: the program was built without it.
func (*Service) openUI(Config) (pages server.Pages, welcome string, err error) {
	return nil, "", nil
}
