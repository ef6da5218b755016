// Command gen writes the OpenAPI document that the server embeds. go generate runs
// it in internal/spec.
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
