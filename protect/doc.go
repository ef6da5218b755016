// Package protect lets only valid API keys through: as middleware for net/http
// and everything built on it, and as a decorator for any function.
//
//	func main() {
//		c, err := latchkey.New(latchkey.Config{BaseURL: os.Getenv("LATCHKEY_URL"), RootKey: os.Getenv("LATCHKEY_ROOT_KEY")})
//		if err != nil {
//			log.Fatal(err)
//		}
//		guard := protect.New(protect.Config{Verifier: c.Keys})
//		http.Handle("GET /documents", guard.Require("documents.read").Handler(http.HandlerFunc(documents)))
//		http.Handle("POST /reports", guard.Cost(5).Handler(http.HandlerFunc(reports)))
//		log.Fatal(http.ListenAndServe(":8080", nil))
//	}
//
// In a handler, [FromContext] tells whose key it is.
//
// # What a guard answers
//
// A request that may not pass is answered with an application/problem+json
// document that carries the verification's code:
//
//	401  no key, NOT_FOUND, DISABLED, EXPIRED            with WWW-Authenticate
//	402  USAGE_EXCEEDED
//	403  INSUFFICIENT_PERMISSIONS, FORBIDDEN
//	429  RATE_LIMITED                                    with Retry-After and RateLimit-*
//	503  the key could not be verified
//
// [Config.OnDenied] answers differently.
//
// # It fails closed
//
// A request passes only if the verifier said that its key is valid. If nobody
// could be asked, or a wrong root key or a wrong permission query made the
// question impossible, the request is refused with 503: that is never the
// user's fault. [FailOpen] is the one explicit exception.
//
// # Other frameworks
//
// Guards for gin, echo, fiber and gRPC are in the module
// github.com/latchkeyhq/latchkey/adapters. They are thin: [Guard.Handler], or
// [Guard.CheckRequest] and [Guard.Refuse], do the work.
package protect
