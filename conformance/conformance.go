// Package conformance contains the behavior that every deployment must have, as scripts that run
// over HTTP against a real service. testdata has one script per operation, named after it, and
// every.txt, which applies to every operation that needs a root key. In every.txt, $operation and
// $body are a valid request, and $empty is a body without a value.
//
// A script consists of sections. Each section tests one guarantee in its own workspace, in
// parallel with the others:
//
//	== success: a key made without options verifies at once
//	POST apis.createApi {"name": "payments"}
//	200 {"data": {"apiId": "?api:api_*"}}
//	POST keys.createKey {"apiId": "$api"}
//	200 {"data": {"keyId": "?keyId:key_*", "key": "?key"}}
//	POST keys.verifyKey {"key": "$key"}
//	200 {"data": {"valid": true, "code": "VALID", "keyId": "$keyId", "enabled": true}}
//
// The word before the colon is the kind of the section, one of [Kinds]. A line that starts with a
// space continues the previous line. A line that starts with # is a comment. The statements are:
//
//	POST OPERATION BODY   sends a request; a path can replace the operation
//	parallel N POST …     sends it N times in parallel, with $i from 0 to N-1
//	200 JSON              the expected response, except meta
//	404 TYPE [LOCATION…] [JSON]
//	                      … or the expected error: the suffix of its type URL, the
//	                      locations of its faults ([] for none), and members
//	N of STATUS …         … or the response to N of the parallel requests
//	header NAME VALUE     a header of the last response
//	as root               the sender of the next requests: the workspace's root key
//	                      with every permission,
//	as holding P Q        … a root key with exactly these permissions, or "nothing",
//	as stranger           … a root key of another workspace with every permission,
//	as operator           … the operator's root key,
//	as key $k             … this key,
//	as session $t         … the portal session with this access token,
//	as nobody             … or no key
//	with NAME: VALUE      a header of the next request only; an empty value removes it
//	set NAME JSON         defines a value
//	wait MS               waits for MS milliseconds
//
// In a request, $name is a defined value and "$name" the same value as JSON; $name+5 adds to a
// number. Predefined are $now (unix milliseconds), $unique (a unique word) and $workspace. $(x*3)
// is xxx, $({"n":"#"},*2) is {"n":"0"},{"n":"1"}, and $(base64 x) and $(hex x) are the SHA-256 of
// x.
//
// A response must match exactly, with these exceptions: ... in an object allows other members, a
// member "name?" can be absent, ~[ starts an array in any order, and a string that starts with ?
// matches any value. "?name" defines the value. "?name:PATTERN" and "?:PATTERN" require an id with
// this prefix (key_*), an integer in this range (1..$n+5), or text or JSON that matches this
// regular expression (^…), whose group, if it has one, is the value of the name.
package conformance

import (
	"embed"
	"net/http"
	"testing"
)

//go:embed testdata/*.txt
var testdata embed.FS

// Target is the deployment under test. The scripts create their own workspaces in it and delete
// them at the end.
type Target struct {
	BaseURL  string       // the URL of the service, without /v2
	Operator string       // the operator's root key
	Client   *http.Client // sends the requests; required
	NoQuota  bool         // responses have no RateLimit-* headers, which only HTTP has
}

// Run runs every script against the target, each section as a subtest.
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
					s.run(t, target)
				})
			}
		})
	}
}
