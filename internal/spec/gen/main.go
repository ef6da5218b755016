// Command gen writes the OpenAPI document and the overview that the server embeds, and
// docs/permissions.md. go generate runs it in internal/spec.
package main

import (
	"log"
	"os"

	"github.com/latchkeyhq/latchkey/internal/spec"
)

func main() {
	log.SetFlags(0)
	write("../server/openapi.json", func() ([]byte, error) { return spec.Document("../..") })
	write("../server/llms.txt", func() ([]byte, error) { return spec.Overview("../..") })
	write("../../docs/permissions.md", func() ([]byte, error) {
		return []byte(spec.PermissionsPage()), nil
	})
}

// write writes a generated file, or ends the program.
func write(file string, generate func() ([]byte, error)) {
	text, err := generate()
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
