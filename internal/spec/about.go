package spec

import (
	"net/http"
	"slices"

	"github.com/latchkeyhq/latchkey"
)

// The parts of the document that concern all operations.

var about = info{
	Title: "Latchkey",
	Summary: "Issues, verifies and revokes API keys, and enforces identities, permissions, " +
		"credits " +
		"and rate limits.",
	License: license{Name: "Apache-2.0", Identifier: "Apache-2.0"},
	Version: "2.0.0",
	Description: "Latchkey issues, verifies and revokes API keys, and enforces identities, " +
		"permissions, credits and rate limits. It implements the Unkey v2 HTTP API, " +
		"so the official Unkey SDKs work with it if you change their base URL.\n\n" +
		"## Requests\n\n" +
		"To call an operation, send a POST with a JSON body and `Content-Type: application/json` " +
		"to `/v2/<operation>`. An operation without fields needs the body `{}`, " +
		"unless its body is optional. " +
		"Unknown fields are rejected unless the schema allows them. " +
		"Times are Unix milliseconds; durations are milliseconds.\n\n" +
		"## Root keys\n\n" +
		"Authenticate with a root key: `Authorization: Bearer <root key>`. " +
		"Each operation lists the permissions that the root key needs.\n\n" +
		"## Responses\n\n" +
		"A successful response has status 200, `meta.requestId` and `data`. " +
		"Fields without a value are omitted; null is sent only where it has a meaning. " +
		"Any other status is an error: `error.type` is its kind and `error.detail` says what " +
		"happened. " +
		"The media type of an error is `application/problem+json` if the Accept header names it " +
		"or a wildcard, and otherwise the one that is listed here.\n\n" +
		"## Lists\n\n" +
		"Lists are paginated. While `pagination.hasMore` is true, send the same request with " +
		"`cursor` " +
		"set to `pagination.cursor` to get the next page. " +
		"A cursor is valid only for the request that returned it.\n\n" +
		"## Retrying a request\n\n" +
		"Operations that only read are safe to retry. With all others, send an " +
		"`Idempotency-Key`: " +
		"for 24 hours, a retry then gets the first response again and has no further effect.",
}

// groups describes the groups of operations.
var groups = map[string]string{
	"apis": "An API is one of your services. Its keys are managed together, " +
		"and every key belongs to one API.",
	"keys": "A key gives its holder access to an API. Create keys, verify them on each request, " +
		"and change or revoke them at any time.",
	"identities": "An identity is the owner of keys: a user, a customer or a service. " +
		"All its keys share its rate limits.",
	"permissions": "A permission is an action that a key can be allowed to do. " +
		"A role is a named set of permissions.",
	"ratelimit": "Rate limits for any identifier, without a key. " +
		"Overrides give some identifiers another limit.",
	"analytics": "SQL queries on the history of keys and rate limits.",
	"usage": "What happened to keys and rate limits, in sums and one by one: " +
		"for invoices, charts and questions of customers.",
	"workspace": "The limits and the usage of the root key's workspace.",
	"system": "The service itself, for its operator: whether it is ready, its nodes, database, " +
		"counters of rate limits, events, disk and backups.",
	"workspaces": "A workspace is a tenant: it can't see or change anything in another " +
		"workspace. " +
		"Only the operator can call these operations.",
	"rootKeys": "A root key lets a program call this API. " +
		"It can grant only permissions that it has.",
	"migrations": "Import the keys of another system by their hashes. Their holders keep " +
		"using them.",
	"portal": "A portal is a page on which your end users see and replace their own keys. " +
		"Create a session for an end user and send him to its URL; the page calls the operations " +
		"that take a portal session.",
	"webhooks": "A webhook is a URL to which events of the workspace are sent, signed as the " +
		"Standard Webhooks specification says.",
	"self": "What the holder of an API key can do with it, without a root key: see what is left, " +
		"replace it, revoke it. An API offers none of it until you say so.",
	"budgets": "A budget is an amount that calls share: an allowance for each period, " +
		"a prepaid balance, or both. A call spends from it, or reserves what it may cost " +
		"and settles what it did. " +
		"Attach budgets to keys and identities, so that keys.verifyKey spends from them too.",
	"auditLogs": "Who changed what, when and from where.",
	"liveness":  "Reports whether the service is running.",
}

var bearer = securityScheme{
	Type: "http", Scheme: "bearer",
	Description: "A root key. The first one is printed when the service starts for the first time.",
}

var holderKey = securityScheme{
	Type: "http", Scheme: "bearer",
	Description: "An API key, of whoever has it, in place of a root key.",
}

var cookie = securityScheme{
	Type: "apiKey", In: "cookie", Name: latchkey.PortalSessionCookie,
	Description: "The access token of a portal session, from portal.exchangeCode. " +
		"It is never sent together with a root key.",
}

var idempotencyKey = parameter{
	Name: "Idempotency-Key", In: "header",
	Description: "A unique text for each request, for example a random UUID. For 24 hours, " +
		"a retry with the same key and the same body gets the first response again; " +
		"with another body it fails with 409.",
	Schema: &schema{Type: "string", MaxLength: new(int64(255))},
}

var headers = map[string]header{
	"RequestId": {"The request id, as in `meta`.", &schema{Type: "string"}},
	"RateLimitLimit": integerHeader("The maximum number of requests a minute of the workspace. " +
		"The `RateLimit-*` headers are present only if the workspace has a limit."),
	"RateLimitRemaining": integerHeader("The number of requests left in this minute."),
	"RateLimitReset":     integerHeader("Seconds until the minute ends."),
	"RetryAfter":         integerHeader("Seconds to wait before the next request."),
}

func integerHeader(description string) header {
	return header{description, &schema{Type: "integer"}}
}

// headersOf lists the headers of a response. A request that fails before it is
// authenticated doesn't count toward a workspace's limit.
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
