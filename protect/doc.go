// Package protect requires valid API keys: as middleware for net/http and
// everything built on it, and as a decorator for any function.
//
//	func main() {
//		c, err := latchkey.FromEnv() // LATCHKEY_URL and LATCHKEY_ROOT_KEY
//		if err != nil {
//			log.Fatal(err)
//		}
//		guard := protect.New(protect.Config{Verifier: c.Keys})
//		http.Handle("GET /documents", guard.Require("documents.read").Handler(documents))
//		http.Handle("POST /reports", guard.Cost(5).Handler(reports))
//		server := http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
//		log.Fatal(server.ListenAndServe())
//	}
//
// A handler gets the verification of the key from [FromContext].
//
// # Denied requests
//
// A request without a valid key gets an application/problem+json body with the
// code of the verification:
//
//	401  no key, NOT_FOUND, DISABLED, EXPIRED            with WWW-Authenticate
//	402  USAGE_EXCEEDED
//	403  INSUFFICIENT_PERMISSIONS, FORBIDDEN
//	429  RATE_LIMITED                                    with Retry-After and RateLimit-*
//	503  the key could not be verified
//
// Config.OnDenied writes another response.
//
// # Failing closed
//
// A request passes only if the service said that its key is valid. If the service
// can't be reached, or the root key or the permission query of the guard is wrong,
// the request gets 503, because that is not the fault of the caller. [FailOpen] is
// the only exception, and explicit.
//
// # Other frameworks
//
// The modules github.com/latchkeyhq/latchkey/adapters/ginguard, echoguard, fiberguard
// and grpcguard have middleware for gin, echo, fiber and gRPC. For other frameworks use
// [Guard.Handler], or [Guard.CheckRequest] and [Guard.Refuse].
package protect
