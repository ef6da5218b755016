package embedded

import (
	"fmt"
	"os"

	"github.com/latchkeyhq/latchkey/internal/durable"
)

// keepSecret is writeSecret, except that no text means no file.
func keepSecret(file, text string) error {
	if text == "" {
		return os.Remove(file)
	}
	return writeSecret(file, text)
}

// writeSecret replaces a file by one that has the text as a line, and that only its
// owner can read.
func writeSecret(file, text string) error {
	if err := durable.WriteFile(file, text+"\n"); err != nil {
		return fmt.Errorf("latchkey: %w", err)
	}
	return nil
}
