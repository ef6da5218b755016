package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestParseRejectsUnknownStatements checks that a mistake in a script is an error with its
// position,
// and not a check that is silently skipped.
func TestParseRejectsUnknownStatements(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{"POST keys.getKey {}", `x.txt:1: "POST keys.getKey {}" is before the first section`},
		{"# why\n\n== succes: a title", `x.txt:3: "succes: a title" is not KIND: TITLE`},
		{"== success", `x.txt:1: "success" is not KIND: TITLE`},
		{"== success: t\nPOTS keys.getKey {}", `x.txt:2: "POTS keys.getKey {}" is not a statement`},
		{"== success: t\nas", `x.txt:2: "as" is not a statement`},
		{"== success: t\nparallel POST a.b {}",
			`x.txt:2: "parallel POST a.b {}" is not a statement`},
		{"== success: t\n200 {}", `x.txt:2: "200 {}" has no request before it`},
		{"== success: t\nas root\n200 {}", `x.txt:3: "200 {}" has no request before it`},
		{"== success: t\nPOST a.b {\n  }\n200",
			`x.txt:4: "200" needs an error type, or JSON for a success`},
		{"== success: t\nPOST a.b {}\n404", `x.txt:3: "404" needs an error type`},
		{"== success: t\nPOST a.b {}\n404 data/x nowhere",
			`x.txt:3: "404 data/x nowhere" is not an outcome`},
		{"== success: t\nPOST a.b {}\n200 {\"a\" 1}", `x.txt:3: {"a" 1} is not JSON`},
		{"== success: t\nPOST a.b {}\n200 {}}", `x.txt:3: {}} has text after the JSON`},
		{"== success: t\nPOST a.b {}\n200 {} {}", `x.txt:3: {} {} has text after the JSON`},
	} {
		_, err := parse("x.txt", test.script)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %s", test.script, err, test.want)
		}
	}
}

// TestResponsesAreChecked checks outcomes against a right and a wrong response.
func TestResponsesAreChecked(t *testing.T) {
	for _, test := range []struct{ outcome, right, wrong string }{
		{`200 {"data": {"a": 1}}`, `{"data":{"a":1}}`, `{"data":{"a":1,"b":2}}`},
		{`200 {"data": {"a": 1}}`, `{"data":{"a":1}}`, `{"data":{}}`},
		{`200 {"data": {"a": 1}}`, `{"data":{"a":1}}`, `{"data":{"a":1},"error":null}`},
		{`200 {"data": {"a": 9007199254740993}}`, `{"data":{"a":9007199254740993}}`,
			`{"data":{"a":9007199254740992}}`},
		{`200 {"data": {"a": null}}`, `{"data":{"a":null}}`, `{"data":{}}`},
		{`200 {"data": {"a": 1, ...}}`, `{"data":{"a":1,"b":2}}`, `{"data":{"b":2}}`},
		{`200 {"data": {"a": 1, "b?": 2}}`, `{"data":{"a":1}}`, `{"data":{"a":1,"b":3}}`},
		{`200 {"data": {"a": 1, "b?": 2}}`, `{"data":{"a":1,"b":2}}`, `{"data":{"b":2}}`},
		{`200 {"data": ["...", "~["]}`, `{"data":["...","~["]}`, `{"data":["~[","..."]}`},
		{`200 {"data": [1, 2]}`, `{"data":[1,2]}`, `{"data":[2,1]}`},
		{`200 {"data": ~[1, 2, 2]}`, `{"data":[2,1,2]}`, `{"data":[1,2,1]}`},
		{`200 {"data": ~[1, 2]}`, `{"data":[2,1]}`, `{"data":[2,1,1]}`},
		{`200 {"data": [{"a": "?x"}, {"a": "$x"}]}`, `{"data":[{"a":"q"},{"a":"q"}]}`,
			`{"data":[{"a":"q"},{"a":"p"}]}`},
		{`200 {"data": ["?n", "$n+5"]}`, `{"data":[2,7]}`, `{"data":[2,"7"]}`},
		{`200 {"data": "?:key_*"}`, `{"data":"key_aZ1234567"}`, `{"data":"key_aZ123456"}`},
		{`200 {"data": "?:1..5"}`, `{"data":5}`, `{"data":6}`},
		{`200 {"data": "?:1..5"}`, `{"data":5}`, `{"data":"5"}`},
		{`200 {"data": "?:^b+$"}`, `{"data":"bb"}`, `{"data":"abb"}`},
		{`200 {"data": "$(ab*3)"}`, `{"data":"ababab"}`, `{"data":"abab"}`},
		{`200 {}`, `{}`, `{"data":{}}`},
		{`404 data/gone`, problemJSON(404, "data/gone", "d", ""),
			problemJSON(404, "data/gone", "", "")},
		{`404 data/gone`, problemJSON(404, "data/gone", "d", ""),
			problemJSON(404, "data/gone", "d", `,"errors":[]`)},
		{`400 a/b /required`, problemJSON(400, "a/b", "d", `,"errors":[{"location":"/required"}]`),
			problemJSON(400, "a/b", "d", `,"errors":[{"location":"/type"}]`)},
		{`400 a/b [] {"detail": "?:^d"}`, problemJSON(400, "a/b", "d", `,"errors":[]`),
			problemJSON(400, "a/b", "d", `,"errors":[{"location":"/type"}]`)},
	} {
		sections, err := parse("x.txt", "== success: t\nPOST a.b {}\n"+test.outcome)
		if err != nil {
			t.Errorf("%s: %v", test.outcome, err)
			continue
		}
		o := sections[0].steps[0].outcomes[0]
		if err := (&runner{vars: map[string]any{}}).checkResponses([]outcome{o},
			responsesOf(o.status, test.right)); err != nil {
			t.Errorf("%s rejects %s: %v", test.outcome, test.right, err)
		}
		if err := (&runner{vars: map[string]any{}}).checkResponses([]outcome{o},
			responsesOf(o.status, test.wrong)); err == nil {
			t.Errorf("%s accepts %s", test.outcome, test.wrong)
		}
		if err := (&runner{vars: map[string]any{}}).checkResponses([]outcome{o},
			responsesOf(o.status+1, test.right)); err == nil {
			t.Errorf("%s accepts another status", test.outcome)
		}
		o.times = 2
		if err := (&runner{vars: map[string]any{}}).checkResponses([]outcome{o},
			responsesOf(o.status, test.right)); err == nil {
			t.Errorf("2 of %s accepts one response", test.outcome)
		}
	}
}

// problemJSON returns an error response with more members at its end.
func problemJSON(status int, kind, detail, more string) string {
	return fmt.Sprintf(`{"error":{"title":%q,"detail":%q,"status":%d,`+
		`"type":"https://unkey.com/docs/errors/%s"%s}}`,
		http.StatusText(status), detail, status, kind, more)
}

// responsesOf returns one response with text in its envelope.
func responsesOf(status int, text string) []*response {
	text = strings.Replace(text, "{", `{"meta":{"requestId":"req_123456789"},`, 1)
	text = strings.Replace(text, ",}", "}", 1)
	return []*response{{status, http.Header{"X-Request-Id": {"req_123456789"},
		"Content-Type": {"application/json"}}, text}}
}

// TestExpandRejectsUnknownNames checks that an unknown name is an error, not text.
func TestExpandRejectsUnknownNames(t *testing.T) {
	p := &runner{vars: map[string]any{"key": "sk_1", "list": []any{"a"}}}
	for text, want := range map[string]string{
		`{"key": "$key", "x": "a $key-1", "l": $list}`: `{"key": "sk_1", "x": "a sk_1-1", "l": ["a"]}`,
		`$(a#,*3) $(é*2)`: `a0,a1,a2 éé`,
		`$(base64 $key)`:  `kkk+b60+QVLfG9f+XBaNKB/R4IF/mgfG5R1J08iPFEo=`,
		`$(hex abc)`:      `ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad`,
	} {
		if got, err := p.expand(text); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	if got, err := p.expand("$kye"); err == nil {
		t.Errorf("$kye is %q, want an error", got)
	}
}
