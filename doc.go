// Package latchkey is the vocabulary and the client of Latchkey, a service that
// issues, verifies and revokes API keys and enforces identities, permissions,
// credits and rate limits. It needs nothing but the standard library.
//
// The request and answer types of every operation live here, one file a noun.
// They are the wire format itself: the json tags name the fields, the check
// tags state their bounds, and the OpenAPI document is written from them and
// from their comments. Times travel as unix milliseconds ([Time], [Duration]),
// fields that can be absent, null or set are [Opt], and every refusal is an
// [*Error].
//
// A [Client] calls a running service, Latchkey's own or another that speaks the
// Unkey v2 HTTP API:
//
//	c, err := latchkey.New(latchkey.Config{BaseURL: "http://127.0.0.1:7070", RootKey: os.Getenv("LATCHKEY_ROOT_KEY")})
//	if err != nil { … }
//	v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key})
//	if err != nil { … }           // the question could not be answered
//	if !v.Valid { … v.Code … }    // it was answered: this key may not pass
//
// Calls have one shape: a context, the operation's request, and any number of
// [CallOption]s. Lists are read page by page with List and walked with All. What
// is lost on the way is sent again only where the service can't do it twice: see
// [RetryPolicy]. A [Limiter] puts a rate limit in front of anything.
//
// Package embedded has the service itself, in process, behind the same client;
// package protect guards handlers and functions; package latchkeytest gives
// tests a service of their own.
package latchkey
