// Command gen writes docs/cli.md. go generate runs it in internal/cli.
package main

import (
	"log"
	"os"

	"github.com/latchkeyhq/latchkey/internal/cli"
)

func main() {
	log.SetFlags(0)
	if err := os.WriteFile("../../docs/cli.md", []byte(cli.Manual()), 0o644); err != nil {
		log.Fatal(err)
	}
}
