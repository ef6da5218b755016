// Package conformance holds the behaviours that every deployment must show, as
// scripts that run over HTTP against a real service. testdata has one script an
// operation, named after it, and every.txt, which is true of all operations that
// need a root key: there $operation and $body are a request of the right form.
//
// A script is made of sections. Each is one promise, has a workspace of its own
// and runs beside the others:
//
//	== success: a key made without options verifies at once
//	POST apis.createApi {"name": "payments"}
//	200 {"data": {"apiId": "?api:api_*"}}
//	POST keys.createKey {"apiId": "$api"}
//	200 {"data": {"keyId": "?keyId:key_*", "key": "?key"}}
//	POST keys.verifyKey {"key": "$key"}
//	200 {"data": {"valid": true, "code": "VALID", "keyId": "$keyId", "enabled": true}}
//
// The word before the colon is the kind of promise, one of [Kinds]. A line that
// begins with a blank continues the one before; a line that begins with # is a
// comment. The statements are:
//
//	POST OPERATION BODY   sends a request; a path may stand for the operation
//	parallel N POST …     sends it N times at once, with $i from 0 to N-1
//	200 JSON              what it must be answered, besides meta
//	404 TYPE [LOCATION…] [JSON]
//	                      … or the error: the end of its type URL, places of its
//	                      faults ([] for no faults), members it must have
//	N of STATUS …         … or what N of the parallel requests must be answered
//	header NAME VALUE     a header that the last answer must have
//	as root               who sends what follows: the workspace's root key with every permission,
//	as holding P Q        … one with exactly these permissions, or with "nothing",
//	as stranger           … one of another workspace with every permission,
//	as operator           … the operator's,
//	as key $k             … this one,
//	as nobody             … or none
//	with NAME: VALUE      a header of the next request only; an empty value removes it
//	set NAME JSON         names a value
//	wait MS               waits so many milliseconds
//
// In what is sent, $name is a value named before and "$name" the same as JSON;
// $name+5 adds to a number. Known from the start are $now (unix milliseconds),
// $unique (letters and digits that nobody else uses) and $workspace. $(x*3) is
// xxx, $({"n":"#"},*2) is {"n":"0"},{"n":"1"}, and $(base64 x) and $(hex x) are
// the SHA-256 of x.
//
// What is expected must match exactly, except where it says otherwise: ... in
// an object stands for members of any name, ~[ begins an array in any order,
// and a string that begins with ? stands for any value. "?name" remembers it;
// "?name:PATTERN" and "?:PATTERN" also want it to be an id with this prefix
// (key_*), a whole number in this range (1..$n+5), or text or JSON that this
// regular expression matches (^…).
package conformance

import (
	"embed"
	"net/http"
	"testing"
)

//go:embed testdata/*.txt
var testdata embed.FS

// Target is the deployment that the scripts are run against. They make
// workspaces of their own in it and delete them in the end.
type Target struct {
	BaseURL  string       // where the service is, without /v2
	Operator string       // the operator's root key
	Client   *http.Client // sends the requests; it must not be nil
	NoQuota  bool         // answers come without the headers RateLimit-*, which only HTTP has
}

// Run runs every script against the target, each section as a test of its own.
func Run(t *testing.T, target Target) {
	scripts, err := Scripts()
	if err != nil {
		t.Fatal(err)
	}
	for operation, sections := range scripts {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			for _, s := range sections {
				t.Run(s.Kind+": "+s.Title, func(t *testing.T) {
					t.Parallel()
					s.play(t, target)
				})
			}
		})
	}
}
