// Command gen writes the OpenAPI document to where the server embeds it from. It
// runs in internal/spec, as go generate does.
package main

import (
	"log"
	"os"

	"github.com/latchkeyhq/latchkey/internal/spec"
)

func main() {
	log.SetFlags(0)
	text, err := spec.Document("../..")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("../server/openapi.json", text, 0o644); err != nil {
		log.Fatal(err)
	}
}
