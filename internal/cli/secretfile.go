package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// secretFiles gives a flag with the tag "secret" the text of a file, which the variable of
// the flag with _FILE behind it names: LATCHKEY_MASTER_KEY_FILE. Docker and Kubernetes put
// secrets in files, and other users of the machine can't see them there.
type secretFiles struct{}

// Validate accepts every grammar.
func (secretFiles) Validate(*kong.Application) error { return nil }

// Resolve returns the text of the file, or nil if none is named.
func (secretFiles) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !flag.Tag.Has("secret") {
		return nil, nil
	}
	for _, env := range flag.Envs {
		file := os.Getenv(env + "_FILE")
		if file == "" {
			continue
		}
		if os.Getenv(env) != "" {
			return nil, fmt.Errorf("%s and %[1]s_FILE are both set; remove one", env)
		}
		text, err := readSecret(file)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", env, err)
		}
		return text, nil
	}
	return nil, nil
}

// readSecret returns the text of a file without white space around it.
func readSecret(file string) (string, error) {
	const most = 64 << 10
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	secret := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", err
	case len(text) > most:
		return "", fmt.Errorf("%s has more than %d bytes", file, most)
	case secret == "":
		return "", fmt.Errorf("%s is empty", file)
	}
	return secret, nil
}
