// Package latchkey is the vocabulary and the client of Latchkey, a service that
// issues, verifies and revokes API keys and enforces identities, permissions,
// credits and rate limits.
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
package latchkey
