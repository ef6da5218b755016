package protect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/protect"
)

// keys stands for a service in these examples. In a program it is the Keys of a
// latchkey.Client.
type keys map[string]latchkey.Verification

func (k keys) Verify(
	_ context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption,
) (latchkey.Verification, error) {
	v, known := k[r.Key]
	switch {
	case r.Key == "sk_outage":
		return v, errors.New("the service can't be reached")
	case !known:
		return latchkey.Verification{Code: latchkey.NotFound}, nil
	case r.Permissions != "" && !slices.Contains(v.Permissions, string(r.Permissions)):
		return latchkey.Verification{Code: latchkey.InsufficientPermissions}, nil
	}
	return v, nil
}

var service = keys{
	"sk_ada": {
		Valid: true, Code: latchkey.Valid, Name: "ada", Permissions: []string{"documents.read"},
	},
	"sk_bob":   {Valid: true, Code: latchkey.Valid, Name: "bob"},
	"sk_spent": {Code: latchkey.UsageExceeded},
}

// get sends a request with a bearer key and prints the answer.
func get(h http.Handler, path, key string) {
	r := httptest.NewRequest("GET", path, nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Body)
}

// hello greets by the name of the key.
func hello(w http.ResponseWriter, r *http.Request) {
	if v, ok := protect.FromContext(r.Context()); ok {
		fmt.Fprintf(w, "hello %s", v.Name)
		return
	}
	io.WriteString(w, "hello stranger")
}

// One guard serves all routes; each asks for what it needs.
func Example() {
	guard := protect.New(protect.Config{Verifier: service})
	mux := http.NewServeMux()
	mux.Handle("GET /hello", guard.Handler(http.HandlerFunc(hello)))
	mux.Handle("GET /documents", guard.Require("documents.read").Handler(http.HandlerFunc(hello)))

	get(mux, "/hello", "sk_bob")
	get(mux, "/documents", "sk_ada")
	get(mux, "/documents", "sk_bob")
	get(mux, "/hello", "sk_spent")
	get(mux, "/documents", "")
	// Output:
	// 200 hello bob
	// 200 hello ada
	// 403 {"title":"Forbidden","status":403,"detail":"the API key lacks a permission","code":"INSUFFICIENT_PERMISSIONS"}
	// 402 {"title":"Payment Required","status":402,"detail":"the API key has not enough credits left","code":"USAGE_EXCEEDED"}
	// 401 {"title":"Unauthorized","status":401,"detail":"the request has no API key","code":"NO_KEY"}
}

// A guard is cheap to derive, so what a request costs may depend on the request.
func ExampleGuard_Cost() {
	guard := protect.New(protect.Config{Verifier: service})
	handler := http.HandlerFunc(hello)
	uploads := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		megabytes := max(1, r.ContentLength>>20)
		guard.Cost(megabytes).Tags("path="+r.URL.Path).Handler(handler).ServeHTTP(w, r)
	})

	get(uploads, "/uploads", "sk_ada")
	// Output: 200 hello ada
}

// The limit is the one that is kept with the key or its identity under this
// name; this call uses three of it.
func ExampleGuard_Limits() {
	guard := protect.New(protect.Config{Verifier: service})
	search := guard.Limits(latchkey.VerifyKeyRatelimit{Name: "searches", Cost: latchkey.Set(int64(3))})

	get(search.Handler(http.HandlerFunc(hello)), "/search", "sk_ada")
	// Output: 200 hello ada
}

// What a call to a language model costs is known at its end. The guard reserves the most it can
// cost, and the handler settles what was used.
func ExampleGuard_Reserve() {
	service := &clockwork{}
	client := struct{ Keys, Budgets *clockwork }{service, service} // a latchkey.Client
	complete := func(w http.ResponseWriter, _ *http.Request) int64 {
		io.WriteString(w, "Hello!")
		return 12
	}
	guard := protect.New(protect.Config{Verifier: client.Keys, Budgets: client.Budgets})
	chat := func(w http.ResponseWriter, r *http.Request) {
		used := complete(w, r) // tokens
		if reservation, ok := protect.ReservationFromContext(r.Context()); ok {
			if err := reservation.Settle(r.Context(), used); err != nil {
				log.Print(err) // tried once more when the handler returns
			}
		}
	}
	most := latchkey.BudgetCost{Budget: "tokens", Cost: latchkey.Int(4000)}
	handler := guard.Reserve(time.Minute, most).Handler(http.HandlerFunc(chat))

	get(handler, "/chat", "sk_ada")
	fmt.Println("settled", service.settled)
	// Output:
	// 200 Hello!
	// settled [12]
}

// Handler is a function from handler to handler: what chi and many other routers
// call a middleware, as in router.Use(guard.Handler).
func ExampleGuard_Handler() {
	guard := protect.New(protect.Config{Verifier: service})
	var middleware func(http.Handler) http.Handler = guard.Handler

	get(middleware(http.HandlerFunc(hello)), "/", "sk_ada")
	// Output: 200 hello ada
}

// Keys may come another way.
func ExampleFirstOf() {
	guard := protect.New(protect.Config{
		Verifier: service,
		Extract:  protect.FirstOf(protect.Bearer, protect.Header("X-API-Key"), protect.Query("key")),
	})

	get(guard.Handler(http.HandlerFunc(hello)), "/events?key=sk_ada", "")
	// Output: 200 hello ada
}

// Headers that a hook sets stand in the default response.
func ExampleConfig_onDeniedHeader() {
	guard := protect.New(protect.Config{
		Verifier: service,
		OnDenied: func(w http.ResponseWriter, _ *http.Request, _ *protect.Denied) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="acme"`)
		},
	})

	rec := httptest.NewRecorder()
	guard.Handler(http.HandlerFunc(hello)).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Code, rec.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="acme"
}

// A denial may be answered differently. The request goes no further either way.
func ExampleConfig_onDenied() {
	guard := protect.New(protect.Config{
		Verifier: service,
		OnDenied: func(w http.ResponseWriter, r *http.Request, d *protect.Denied) {
			if d.Verification.Code == latchkey.UsageExceeded {
				http.Error(w, "You have used up your plan.", d.Status())
			}
			// All others get the default answer.
		},
	})

	get(guard.Handler(http.HandlerFunc(hello)), "/", "sk_spent")
	// Output: 402 You have used up your plan.
}

// A guard refuses everyone while the service is out of reach, unless it is told
// otherwise.
func ExampleFailOpen() {
	log := slog.New(slog.DiscardHandler)
	closed := protect.New(protect.Config{Verifier: service, OnError: protect.FailClosed(log)})
	open := protect.New(protect.Config{Verifier: service, OnError: protect.FailOpen(log)})

	get(closed.Handler(http.HandlerFunc(hello)), "/", "sk_outage")
	get(open.Handler(http.HandlerFunc(hello)), "/", "sk_outage")
	// Output:
	// 503 {"title":"Service Unavailable","status":503,"detail":"the API key can't be verified at the moment"}
	// 200 hello stranger
}

// Check is all there is to a guard, for keys that come in no request.
func ExampleGuard_Check() {
	guard := protect.New(protect.Config{Verifier: service}).Require("documents.read")
	for _, key := range []string{"sk_ada", "sk_bob", "sk_outage"} {
		v, err := guard.Check(context.Background(), key)
		var denied *protect.Denied
		switch {
		case errors.As(err, &denied):
			fmt.Println("denied:", denied.Verification.Code)
		case err != nil:
			fmt.Println("try again:", err)
		default:
			fmt.Println("welcome", v.Name)
		}
	}
	// Output:
	// welcome ada
	// denied: INSUFFICIENT_PERMISSIONS
	// try again: protect: the key could not be verified: the service can't be reached
}

// Any function can be protected: a job, a command, a message handler.
func ExampleProtect() {
	type order struct{ Token, Item string }
	guard := protect.New(protect.Config{Verifier: service})
	place := protect.Protect(guard,
		func(_ context.Context, o order) (string, bool) { return o.Token, o.Token != "" },
		func(_ context.Context, o order, v latchkey.Verification) (string, error) {
			return fmt.Sprintf("%s for %s", o.Item, v.Name), nil
		},
		protect.OnDenied(func(_ context.Context, o order, d *protect.Denied) (string, error) {
			return fmt.Sprintf("no %s: %s", o.Item, d.Verification.Code), nil
		}))

	for _, token := range []string{"sk_ada", "sk_unknown", ""} {
		receipt, err := place(context.Background(), order{token, "tea"})
		fmt.Println(receipt, err)
	}
	// Output:
	// tea for ada <nil>
	// no tea: NOT_FOUND <nil>
	// no tea: NO_KEY <nil>
}
