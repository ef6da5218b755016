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
	name     = regexp.MustCompile(`"\$([a-z][A-Za-z0-9]*)([+-]\d+)?"|\$([a-z][A-Za-z0-9]*)([+-]\d+)?`)
	whole    = regexp.MustCompile(`^\$([a-z][A-Za-z0-9]*)([+-]\d+)?$`)
	function = regexp.MustCompile(`\$\((?:(base64|hex) ([^()]*)|([^()]+?)(,?)\*(\d+))\)`)
)

// expected returns what a text stands for: a value where it is just a name.
func (p *player) expected(text string) (any, error) {
	if m := whole.FindStringSubmatch(text); m != nil {
		return p.value(m[1], m[2])
	}
	return p.expand(text)
}

// expand replaces the names and functions in a text.
func (p *player) expand(text string) (string, error) {
	var failed error
	text = name.ReplaceAllStringFunc(text, func(found string) string {
		m := name.FindStringSubmatch(found)
		value, err := p.value(m[1]+m[3], m[2]+m[4])
		failed = cmp.Or(failed, err)
		if inner, ok := value.(string); ok && found[0] == '$' {
			return inner
		}
		return show(value)
	})
	return function.ReplaceAllStringFunc(text, apply), failed
}

// apply works out one function.
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
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(m[3], "#", strconv.Itoa(i))
	}
	return strings.Join(parts, m[4])
}

// value returns what a name stands for. Behind anything but a number, +5 is text.
func (p *player) value(name, plus string) (any, error) {
	value, known := p.vars[name]
	if name == "now" {
		value, known = json.Number(strconv.FormatInt(time.Now().UnixMilli(), 10)), true
	}
	if !known {
		return nil, fmt.Errorf("nothing is called $%s", name)
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

// show writes a value as JSON.
func show(value any) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // it was decoded from JSON
	return strings.TrimSpace(text.String())
}
