package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey"
)

// gates is the setting --gates: a JSON object of gates by name. In a configuration file it is
// the object itself.
type gates map[string]latchkey.Gate

// Decode reads the setting.
func (g *gates) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("gates")
	if err != nil {
		return err
	}
	text, isText := token.Value.(string)
	if !isText {
		object, err := json.Marshal(token.Value)
		if err != nil {
			return err
		}
		text = string(object)
	}
	if text == "" { // an empty variable of the environment
		return nil
	}
	from := json.NewDecoder(strings.NewReader(text))
	from.DisallowUnknownFields()
	if err := from.Decode(g); err != nil {
		return fmt.Errorf("want one JSON object of gates by name: %w", err)
	}
	if _, err := from.Token(); !errors.Is(err, io.EOF) {
		return errors.New("want one JSON object of gates by name, and nothing after it")
	}
	return nil
}
