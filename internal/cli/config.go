package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// config is a configuration file: one JSON object with settings by the names of
// their flags, for example {"listen": "0.0.0.0:7070", "trusted-proxies": ["10.0.0.0/8"]}.
type config map[string]any

func loadConfig(r io.Reader) (kong.Resolver, error) {
	var c config
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return nil, fmt.Errorf("configuration file: want one JSON object: %w", err)
	}
	return c, nil
}

// Validate refuses names that are no setting, for they are mistyped ones.
func (c config) Validate(app *kong.Application) error {
	settings := flagsOf(childNamed(app.Node, "serve"))
	for name := range c {
		if !slices.ContainsFunc(settings, func(f *kong.Flag) bool { return f.Name == name }) {
			return fmt.Errorf(
				"configuration file: there is no setting %q; settings have the names of the flags of "+
					"latchkey serve",
				name,
			)
		}
	}
	return nil
}

// Resolve returns the setting for a flag, unless the environment has one.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		_, set := os.LookupEnv(name)
		if set || flag.Tag.Has("secret") && os.Getenv(name+"_FILE") != "" {
			return nil, nil
		}
	}
	return c[flag.Name], nil
}
