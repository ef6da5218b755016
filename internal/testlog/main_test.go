package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stream is what go test -json prints of four packages: one that passes with a
// skip, one that fails, one whose process dies, and one that doesn't compile.
const stream = `{"Action":"start","Package":"a"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"    a_test.go:7: a log line\n"}
{"Action":"output","Package":"b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"b","Test":"TestBad","Output":"    b_test.go:7: wrong\n"}
{"Action":"pass","Package":"a","Test":"TestGood"}
{"Action":"output","Package":"a","Test":"TestIdle/sub","Output":"=== RUN   TestIdle/sub\n"}
{"Action":"output","Package":"a","Test":"TestIdle/sub","Output":"    a_test.go:9: no server\n"}
{"Action":"output","Package":"a","Test":"TestIdle/sub","Output":"--- SKIP: TestIdle/sub (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestIdle/sub"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t1.2s\n"}
{"Action":"pass","Package":"a"}
{"Action":"output","Package":"b","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"b","Test":"TestBad"}
{"Action":"output","Package":"b","Output":"FAIL\tb\t0.1s\n"}
{"Action":"fail","Package":"b"}
{"Action":"output","Package":"c","Test":"TestDies","Output":"panic: oh\n"}
{"Action":"output","Package":"c","Output":"FAIL\tc\t0.1s\n"}
{"Action":"fail","Package":"c"}
{"ImportPath":"d","Action":"build-output","Output":"d.go:1:1: syntax error\n"}
go: a word of go's own
{"Action":"output","Package":"e","Output":"?   \te\t[no test files]\n"}
{"Action":"skip","Package":"e"}
`

const shown = `ok  	a	1.2s
    b_test.go:7: wrong
--- FAIL: TestBad (0.00s)
FAIL	b	0.1s
panic: oh
FAIL	c	0.1s
d.go:1:1: syntax error
go: a word of go's own
`

func TestFailuresAndResultsAreShown(t *testing.T) {
	var out strings.Builder
	skips, err := show(strings.NewReader(stream), &out)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(shown, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(skips) != 1 || skips[0] != (skip{test{"a", "TestIdle/sub"}, "no server"}) {
		t.Errorf("skips %+v", skips)
	}
}

func TestOnlyListedTestsMayBeSkipped(t *testing.T) {
	skips := []skip{{test{"a", "TestIdle/sub"}, "no server"}}
	for list, unlisted := range map[string]bool{
		"":                                true,
		"# TestIdle needs a server\n":     true,
		"TestIdl  needs a server\n":       true,
		"TestIdle needs a server\n":       false,
		"\nTestIdle/sub  needs a server":  false,
		"TestIdle/other needs a server\n": true,
	} {
		var out strings.Builder
		if got := report(&out, skips, list); got != unlisted {
			t.Errorf("%q: unlisted %v, want %v", list, got, unlisted)
		}
		if !strings.HasPrefix(out.String(), "skipped\ta TestIdle/sub: no server") {
			t.Errorf("%q: printed %q", list, out.String())
		}
	}
}
