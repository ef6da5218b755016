package conformance

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	name = regexp.MustCompile(`"\$([a-z][A-Za-z0-9]*)([+-]\d+)?"|` +
		`\$([a-z][A-Za-z0-9]*)([+-]\d+)?`)
	onlyName = regexp.MustCompile(`^\$([a-z][A-Za-z0-9]*)([+-]\d+)?$`)
	function = regexp.MustCompile(`\$\((?:(base64|hex) ([^()]*)|([^()]+?)(,?)\*(\d+))\)`)
)

// resolve returns the value of a text that is only a name, and the expanded text otherwise.
func (r *runner) resolve(text string) (any, error) {
	if m := onlyName.FindStringSubmatch(text); m != nil {
		return r.value(m[1], m[2])
	}
	return r.expand(text)
}

// expand replaces the names and functions in a text.
func (r *runner) expand(text string) (string, error) {
	var failed error
	text = name.ReplaceAllStringFunc(text, func(found string) string {
		m := name.FindStringSubmatch(found)
		value, err := r.value(m[1]+m[3], m[2]+m[4])
		failed = cmp.Or(failed, err)
		if inner, ok := value.(string); ok && found[0] == '$' {
			return inner
		}
		return toJSON(value)
	})
	return function.ReplaceAllStringFunc(text, apply), failed
}

// apply evaluates one function.
func apply(found string) string {
	m := function.FindStringSubmatch(found)
	sum := sha256.Sum256([]byte(m[2]))
	switch m[1] {
	case "base64":
		return base64.StdEncoding.EncodeToString(sum[:])
	case "hex":
		return hex.EncodeToString(sum[:])
	}
	n, _ := strconv.Atoi(m[5])
	part, separator := m[3], m[4]
	if !strings.Contains(part, "#") {
		return strings.TrimSuffix(strings.Repeat(part+separator, n), separator)
	}
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(part, "#", strconv.Itoa(i))
	}
	return strings.Join(parts, separator)
}

// value returns the value of a name. It adds plus to a number and appends it to other values.
func (r *runner) value(name, plus string) (any, error) {
	value, known := r.vars[name]
	if name == "now" {
		value, known = json.Number(strconv.FormatInt(time.Now().UnixMilli(), 10)), true
	}
	if !known {
		return nil, fmt.Errorf("$%s is not defined", name)
	}
	if plus == "" {
		return value, nil
	}
	number, isNumber := value.(json.Number)
	if !isNumber {
		return fmt.Sprint(value, plus), nil
	}
	a, err := number.Int64()
	b, _ := strconv.ParseInt(plus, 10, 64)
	return json.Number(strconv.FormatInt(a+b, 10)), err
}

// toJSON encodes a value as JSON.
func toJSON(value any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // cannot fail: the value was decoded from JSON
	return strings.TrimSpace(text.String())
}
