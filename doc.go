// Package latchkey is the client of Latchkey, a service that issues, verifies
// and revokes API keys and enforces permissions, credits and rate limits. It
// imports only the standard library.
//
// A [Client] calls a Latchkey, or any other service with the Unkey v2 HTTP API:
//
//	c, err := latchkey.FromEnv() // or New, with a Config
//	if err != nil { … }
//	v, err := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key})
//	if err != nil { … }           // the key could not be checked: let nobody in
//	if !v.Valid { … v.Code … }    // the key was checked and is not valid
//
// The methods of a client are grouped by noun: APIs, Keys, Identities and so on.
// Each takes a context, the request of the operation, and any number of options
// for that call (see [CallOption]). A list has a method that reads one page,
// such as [APIs.ListKeys], and one that iterates over all of them, such as
// [Keys.All].
//
// Whatever the service refuses is an [*Error], which matches a sentinel such as
// [ErrNotFound] with errors.Is. A key that is not valid is not an error, but a
// [Verification]. Failed calls are retried only when repeating them is safe: see
// [RetryPolicy]. A [Limiter] applies a rate limit to anything.
//
// # Requests and responses
//
// The types of all operations are the wire format: json tags name the fields,
// check tags state their bounds, and the OpenAPI document is generated from them
// and their comments. [Time] and [Duration] travel as milliseconds. A field that
// can be absent, null or set is an [Opt]; so is a field that the API requires
// and whose zero value has a meaning, so that forgetting it is an error.
//
// # Related packages
//
// Package embedded runs the service in your process, behind the same client.
// Package protect is middleware that requires valid keys. Package latchkeytest
// gives each test a service of its own.
package latchkey
