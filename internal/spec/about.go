package spec

import (
	"net/http"
	"slices"
)

// The parts of the document that concern all operations.

var about = info{
	Title:   "Latchkey",
	Summary: "Issues, verifies and revokes API keys, and enforces identities, permissions, credits and rate limits.",
	License: license{Name: "Apache-2.0", Identifier: "Apache-2.0"},
	Version: "2.0.0",
	Description: "Latchkey issues, verifies and revokes API keys, and enforces identities, permissions, credits and rate limits. " +
		"It speaks the Unkey v2 HTTP API, so the official Unkey SDKs work against it with another base URL.\n\n" +
		"## Requests\n\n" +
		"Every operation is a POST of one JSON body to `/v2/` and its name, with `Content-Type: application/json`. " +
		"An operation without fields to send still needs the body `{}`. Unknown fields are refused where the schema does not allow them. " +
		"Times are unix milliseconds, durations are milliseconds.\n\n" +
		"## Root keys\n\n" +
		"A request is let in by a root key: `Authorization: Bearer <root key>`. Each operation names the permission the root key must hold.\n\n" +
		"## Answers\n\n" +
		"An answer has the status 200, `meta.requestId` and `data`. Fields without a value are left out; null is sent only where it says something. " +
		"Any other status is an error, which says in `error.type` what kind it is and in `error.detail` what happened. " +
		"Errors come as `application/problem+json` to a client whose Accept header names that or a wildcard, else in the media type shown here.\n\n" +
		"## Lists\n\n" +
		"A list comes in pages. While `pagination.hasMore` is true, send the same request again with `cursor` set to `pagination.cursor` to get the next page. " +
		"A cursor belongs to the request that it came with.\n\n" +
		"## Repeating a request\n\n" +
		"Operations that read are safe to repeat. With the others, send an `Idempotency-Key`: " +
		"a repeated request then gets the first answer again for 24 hours, and nothing happens twice.",
}

// groups describes the groups of operations.
var groups = map[string]string{
	"apis":        "An API is a service of yours whose keys are managed together. Every key belongs to one.",
	"keys":        "A key lets its holder use an API. Create keys, verify them with each request, and change or revoke them at any time.",
	"identities":  "An identity is who keys belong to: a user, a customer, a service. Its rate limits are shared by all its keys.",
	"permissions": "A permission is something a key may be allowed to do, and a role is a named set of permissions.",
	"ratelimit":   "Rate limits for anything that has a name, without a key. Overrides give some identifiers another limit.",
	"analytics":   "Questions in SQL about what happened to keys and rate limits.",
	"workspaces":  "A workspace is a tenant: nothing in one can be seen or touched from another. These operations are the operator's.",
	"rootKeys":    "A root key lets a program call this API. It can hand on only what it holds itself.",
	"migrations":  "Bring the keys of another system in by their hashes, so that their users notice nothing.",
	"auditLogs":   "Who changed what, when and from where.",
	"liveness":    "Whether the service answers.",
}

var bearer = securityScheme{
	Type: "http", Scheme: "bearer",
	Description: "A root key. The first one is printed when the service starts for the first time.",
}

var idempotencyKey = parameter{
	Name: "Idempotency-Key", In: "header",
	Description: "Any text that is new for each thing to be done, for example a random UUID. " +
		"A repeated request with the same key and the same body gets the first answer again for 24 hours; with another body it is refused with 409.",
	Schema: &schema{Type: "string", MaxLength: new(int64(255))},
}

var headers = map[string]header{
	"RequestId":          {"The request id of `meta`.", &schema{Type: "string"}},
	"RateLimitLimit":     {"How many requests the workspace may make in a minute. Sent for a workspace with such a limit, like the other two.", &schema{Type: "integer"}},
	"RateLimitRemaining": {"How many requests are left in this minute.", &schema{Type: "integer"}},
	"RateLimitReset":     {"Seconds until the minute ends.", &schema{Type: "integer"}},
	"RetryAfter":         {"Seconds to wait before the next request.", &schema{Type: "integer"}},
}

// headersOf lists the headers of an answer. A request that is refused before it
// is known whose it is does not count towards a workspace's limit.
func headersOf(status int) object {
	refs := object{{"X-Request-Id", headerRef("RequestId")}}
	early := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge}
	if !slices.Contains(early, status) {
		refs = append(refs,
			member{"RateLimit-Limit", headerRef("RateLimitLimit")},
			member{"RateLimit-Remaining", headerRef("RateLimitRemaining")},
			member{"RateLimit-Reset", headerRef("RateLimitReset")})
	}
	if status == http.StatusTooManyRequests {
		refs = append(refs, member{"Retry-After", headerRef("RetryAfter")})
	}
	return refs
}

func headerRef(name string) reference { return reference{"#/components/headers/" + name} }
