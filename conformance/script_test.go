package conformance

import (
	"net/http"
	"strings"
	"testing"
)

// TestParseRefusesWhatItDoesNotKnow: a mistake in a script is an error with its
// place, never a promise that is silently not kept.
func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{"POST keys.getKey {}", `x.txt:1: "POST keys.getKey {}" stands before the first section`},
		{"# why\n\n== succes: a title", `x.txt:3: "succes: a title" is not KIND: TITLE`},
		{"== success", `x.txt:1: "success" is not KIND: TITLE`},
		{"== success: t\nPOTS keys.getKey {}", `x.txt:2: "POTS keys.getKey {}" is not a statement`},
		{"== success: t\nas", `x.txt:2: "as" is not a statement`},
		{"== success: t\nparallel POST a.b {}", `x.txt:2: "parallel POST a.b {}" is not a statement`},
		{"== success: t\n200 {}", `x.txt:2: "200 {}" has no request before it`},
		{"== success: t\nas root\n200 {}", `x.txt:3: "200 {}" has no request before it`},
		{"== success: t\nPOST a.b {\n  }\n200", `x.txt:4: "200" needs an error type, or JSON for a success`},
		{"== success: t\nPOST a.b {}\n404", `x.txt:3: "404" needs an error type`},
		{"== success: t\nPOST a.b {}\n404 data/x nowhere", `x.txt:3: "404 data/x nowhere" is not an outcome`},
		{"== success: t\nPOST a.b {}\n200 {\"a\" 1}", `x.txt:3: {"a" 1} is not JSON`},
		{"== success: t\nPOST a.b {}\n200 {}}", `x.txt:3: {}} has something behind the JSON`},
		{"== success: t\nPOST a.b {}\n200 {} {}", `x.txt:3: {} {} has something behind the JSON`},
	} {
		_, err := parse("x.txt", test.script)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %s", test.script, err, test.want)
		}
	}
}

// TestAnswersAreHeldToTheScript: of each pair only the first answer is right.
func TestAnswersAreHeldToTheScript(t *testing.T) {
	for _, test := range []struct{ outcome, right, wrong string }{
		{`200 {"data": {"a": 1}}`, `{"data":{"a":1}}`, `{"data":{"a":1,"b":2}}`},
		{`200 {"data": {"a": 1}}`, `{"data":{"a":1}}`, `{"data":{}}`},
		{`200 {"data": {"a": 1}}`, `{"data":{"a":1}}`, `{"data":{"a":1},"error":null}`},
		{`200 {"data": {"a": 9007199254740993}}`, `{"data":{"a":9007199254740993}}`, `{"data":{"a":9007199254740992}}`},
		{`200 {"data": {"a": null}}`, `{"data":{"a":null}}`, `{"data":{}}`},
		{`200 {"data": {"a": 1, ...}}`, `{"data":{"a":1,"b":2}}`, `{"data":{"b":2}}`},
		{`200 {"data": ["...", "~["]}`, `{"data":["...","~["]}`, `{"data":["~[","..."]}`},
		{`200 {"data": [1, 2]}`, `{"data":[1,2]}`, `{"data":[2,1]}`},
		{`200 {"data": ~[1, 2, 2]}`, `{"data":[2,1,2]}`, `{"data":[1,2,1]}`},
		{`200 {"data": ~[1, 2]}`, `{"data":[2,1]}`, `{"data":[2,1,1]}`},
		{`200 {"data": [{"a": "?x"}, {"a": "$x"}]}`, `{"data":[{"a":"q"},{"a":"q"}]}`, `{"data":[{"a":"q"},{"a":"p"}]}`},
		{`200 {"data": ["?n", "$n+5"]}`, `{"data":[2,7]}`, `{"data":[2,"7"]}`},
		{`200 {"data": "?:key_*"}`, `{"data":"key_aZ1234567"}`, `{"data":"key_aZ123456"}`},
		{`200 {"data": "?:1..5"}`, `{"data":5}`, `{"data":6}`},
		{`200 {"data": "?:1..5"}`, `{"data":5}`, `{"data":"5"}`},
		{`200 {"data": "?:^b+$"}`, `{"data":"bb"}`, `{"data":"abb"}`},
		{`200 {"data": "$(ab*3)"}`, `{"data":"ababab"}`, `{"data":"abab"}`},
		{`200 {}`, `{}`, `{"data":{}}`},
		{`404 data/gone`, `{"error":{"title":"Not Found","detail":"d","status":404,"type":"https://unkey.com/docs/errors/data/gone"}}`,
			`{"error":{"title":"Not Found","detail":"","status":404,"type":"https://unkey.com/docs/errors/data/gone"}}`},
		{`404 data/gone`, `{"error":{"title":"Not Found","detail":"d","status":404,"type":"https://unkey.com/docs/errors/data/gone"}}`,
			`{"error":{"title":"Not Found","detail":"d","status":404,"type":"https://unkey.com/docs/errors/data/gone","errors":[]}}`},
		{`400 a/b /required`, `{"error":{"title":"Bad Request","detail":"d","status":400,"type":"https://unkey.com/docs/errors/a/b","errors":[{"location":"/required"}]}}`,
			`{"error":{"title":"Bad Request","detail":"d","status":400,"type":"https://unkey.com/docs/errors/a/b","errors":[{"location":"/type"}]}}`},
		{`400 a/b [] {"detail": "?:^d"}`, `{"error":{"title":"Bad Request","detail":"d","status":400,"type":"https://unkey.com/docs/errors/a/b","errors":[]}}`,
			`{"error":{"title":"Bad Request","detail":"d","status":400,"type":"https://unkey.com/docs/errors/a/b","errors":[{"location":"/type"}]}}`},
	} {
		sections, err := parse("x.txt", "== success: t\nPOST a.b {}\n"+test.outcome)
		if err != nil {
			t.Errorf("%s: %v", test.outcome, err)
			continue
		}
		o := sections[0].steps[0].outcomes[0]
		if err := (&player{vars: map[string]any{}}).judge([]outcome{o}, answersOf(o.status, test.right)); err != nil {
			t.Errorf("%s refuses %s: %v", test.outcome, test.right, err)
		}
		if err := (&player{vars: map[string]any{}}).judge([]outcome{o}, answersOf(o.status, test.wrong)); err == nil {
			t.Errorf("%s passes %s", test.outcome, test.wrong)
		}
		if err := (&player{vars: map[string]any{}}).judge([]outcome{o}, answersOf(o.status+1, test.right)); err == nil {
			t.Errorf("%s passes another status", test.outcome)
		}
		o.times = 2
		if err := (&player{vars: map[string]any{}}).judge([]outcome{o}, answersOf(o.status, test.right)); err == nil {
			t.Errorf("2 of %s passes one answer", test.outcome)
		}
	}
}

// answersOf is one answer with the envelope around what a test says of it.
func answersOf(status int, text string) []*answer {
	text = strings.Replace(text, "{", `{"meta":{"requestId":"req_123456789"},`, 1)
	text = strings.Replace(text, ",}", "}", 1)
	return []*answer{{status, http.Header{"X-Request-Id": {"req_123456789"}, "Content-Type": {"application/json"}}, text}}
}

// TestExpandKnowsEveryName: what isn't known is an error, not text.
func TestExpandKnowsEveryName(t *testing.T) {
	p := &player{vars: map[string]any{"key": "sk_1", "list": []any{"a"}}}
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
