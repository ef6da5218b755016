package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// body returns the one JSON value that a request is, without the space around
// it, or what is wrong with the request as a whole.
func body(root *node, data []byte) ([]byte, *latchkey.Fault) {
	raw := bytes.Trim(data, space)
	switch {
	case len(raw) == 0:
		return nil, bodyFault(root, "the request body is empty")
	case bytes.HasPrefix(raw, []byte("\ufeff")):
		return nil, bodyFault(root, "the request body begins with a byte order mark")
	case !json.Valid(raw):
		return nil, bodyFault(root, syntax(data))
	case raw[0] != '{' && raw[0] != '[':
		return nil, bodyFault(root, "the request body must be "+kinds[root.kind].called)
	case strings.IndexByte(kinds[root.kind].starts, raw[0]) < 0:
		f := bodyFault(root, "the request body must be "+kinds[root.kind].called)
		f.Location = "/type"
		return nil, f
	}
	return raw, nil
}

func bodyFault(root *node, message string) *latchkey.Fault {
	return &latchkey.Fault{
		Location: "requestBody",
		Message:  message,
		Fix:      "send one JSON value in UTF-8: " + kinds[root.kind].called,
	}
}

// syntax says where data stops being one JSON value. The decoder's own words are
// not used, for they repeat what stands there.
func syntax(data []byte) string {
	var broken *json.SyntaxError
	if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &broken) {
		return fmt.Sprintf("the request body is not one JSON value (see byte %d)", broken.Offset)
	}
	return "the request body is not one JSON value"
}
