package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

var ctx = context.Background()

// The examples talk to a Latchkey of their own. In your program the URL and the
// root key come from its configuration.
func serve() (url, rootKey string, stop func()) {
	dir, err := os.MkdirTemp("", "latchkey")
	check(err)
	service, err := embedded.Open(ctx, embedded.Config{Data: dir, Log: slog.New(slog.DiscardHandler)})
	check(err)
	server := httptest.NewServer(service.Handler)
	return server.URL, service.RootKey, func() {
		server.Close()
		check(errors.Join(service.Close(ctx), os.RemoveAll(dir)))
	}
}

// connect returns a client of such a service, and an API to make keys in.
func connect() (client *latchkey.Client, apiID string, stop func()) {
	url, rootKey, stop := serve()
	client, err := latchkey.New(latchkey.Config{BaseURL: url, RootKey: rootKey})
	check(err)
	api, err := client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "documents"})
	check(err)
	return client, api.APIID, stop
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A key is made once for a user and verified whenever it comes with a request.
func Example() {
	url, rootKey, stop := serve()
	defer stop()

	client, err := latchkey.New(latchkey.Config{BaseURL: url, RootKey: rootKey})
	check(err)
	api, err := client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "documents"})
	check(err)
	key, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: api.APIID, Prefix: "doc", ExternalID: "user_1", Permissions: []string{"documents.read"},
		Credits: &latchkey.Credits{Remaining: latchkey.Int(1000)},
	})
	check(err)

	v, err := client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{
		Key: key.Key, Permissions: "documents.read",
	})
	switch {
	case err != nil:
		log.Fatal(err) // the key could not be verified: fail closed
	case !v.Valid:
		fmt.Println("refused:", v.Code)
	default:
		fmt.Println("welcome,", v.ExternalID(), "with", v.Credits.Or(-1), "credits left")
	}
	// Output: welcome, user_1 with 999 credits left
}

// Everything but the URL and the root key has a default.
func ExampleNew() {
	client, err := latchkey.New(latchkey.Config{
		BaseURL: latchkey.UnkeyCloud, // or where your Latchkey is
		RootKey: "unkey_secret",
		Timeout: 5 * time.Second,
		Retry:   latchkey.RetryPolicy{MaxAttempts: 5, MaxElapsed: 30 * time.Second},
		Log:     slog.Default(), // one line an attempt at level debug, without secrets
	})
	fmt.Println(client != nil, err)

	_, err = latchkey.New(latchkey.Config{BaseURL: "localhost:7070"})
	fmt.Println(err)
	_, err = latchkey.New(latchkey.Config{
		BaseURL: "http://localhost:7070", RootKey: os.Getenv("NOT_SET"),
	})
	fmt.Println(err)
	// Output:
	// true <nil>
	// latchkey: BaseURL is not an http or https URL such as http://127.0.0.1:7070
	// latchkey: RootKey is empty: set it, or set RootKeyFunc
}

// A root key that changes while the program runs is asked for at every call.
func ExampleConfig_rootKeyFunc() {
	url, rootKey, stop := serve()
	defer stop()
	client, err := latchkey.New(latchkey.Config{
		BaseURL: url,
		RootKeyFunc: func(context.Context) (string, error) {
			return rootKey, nil // from a file or a secret manager, kept in memory
		},
	})
	check(err)
	_, err = client.APIs.List(ctx, latchkey.ListAPIsRequest{})
	fmt.Println(err)
	// Output: <nil>
}

// Calls that have begun keep the root key they began with.
func ExampleClient_SetRootKey() {
	client, _, stop := connect()
	defer stop()
	made, err := client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		Name: "verifier", Permissions: []string{"api.*.verify_key"},
	})
	check(err)
	client.SetRootKey(made.Key)
	_, err = client.APIs.List(ctx, latchkey.ListAPIsRequest{})
	fmt.Println(errors.Is(err, latchkey.ErrForbidden))
	// Output: true
}

// Operations that this version has no method for can be called all the same.
func ExampleClient_Call() {
	client, _, stop := connect()
	defer stop()
	data, pagination, err := client.Call(ctx, "apis.listApis", map[string]any{
		"limit": 1, "search": "nothing like it",
	})
	fmt.Println(string(data), pagination.HasMore, err)
	// Output: [] false <nil>
}

// A balance, a limit, an expiry and metadata of one's own type.
func ExampleKeys_Create() {
	client, apiID, stop := connect()
	defer stop()
	meta, err := latchkey.MetaOf(map[string]string{"plan": "pro"})
	check(err)
	key, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: apiID, Name: "backup job", ExternalID: "user_1", Meta: meta,
		Expires: latchkey.At(time.Now().Add(30 * 24 * time.Hour)),
		Credits: &latchkey.Credits{
			Remaining: latchkey.Int(1000),
			Refill:    &latchkey.Refill{Interval: latchkey.Monthly, Amount: 1000, RefillDay: 1},
		},
		Ratelimits: []latchkey.RatelimitRequest{
			{Name: "calls", Limit: 10, Duration: latchkey.Per(time.Second), AutoApply: latchkey.Set(true)},
		},
	})
	check(err)

	v, err := client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{
		Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(5)},
	})
	check(err)
	var plan struct{ Plan string }
	check(v.Meta.Decode(&plan))
	fmt.Println(v.Code, v.Credits.Or(-1), v.Ratelimits[0].Remaining, plan.Plan)
	// Output: VALID 995 9 pro
}

// A key that may not pass is an answer; only a question without answer is an error.
func ExampleKeys_Verify() {
	client, _, stop := connect()
	defer stop()
	v, err := client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: "doc_made_up"})
	if err != nil {
		fmt.Println("try again later")
	} else if !v.Valid {
		fmt.Println("refused:", v.Code)
	}
	// Output: refused: NOT_FOUND
}

// Fields that are left out stay as they are, and null removes.
func ExampleKeys_Update() {
	client, apiID, stop := connect()
	defer stop()
	key, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: apiID, Name: "a key", ExternalID: "user_1",
	})
	check(err)
	err = client.Keys.Update(ctx, latchkey.UpdateKeyRequest{
		KeyID: key.KeyID, Enabled: latchkey.Set(false), ExternalID: latchkey.Null[string](),
	})
	check(err)
	now, err := client.Keys.Get(ctx, latchkey.GetKeyRequest{KeyID: key.KeyID})
	check(err)
	fmt.Println(now.Name, now.Enabled, now.Identity)
	// Output: a key false <nil>
}

// The old key stays valid for a day.
func ExampleKeys_Reroll() {
	client, apiID, stop := connect()
	defer stop()
	key, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: apiID})
	check(err)
	_, err = client.Keys.Reroll(ctx, latchkey.RerollKeyRequest{KeyID: key.KeyID})
	fmt.Println(err != nil) // expiration is required: how long does the old key stay valid?
	_, err = client.Keys.Reroll(ctx, latchkey.RerollKeyRequest{
		KeyID: key.KeyID, Expiration: latchkey.Set(latchkey.Per(24 * time.Hour)),
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// A list is walked in a range loop, however many pages it has.
func ExampleKeys_All() {
	client, apiID, stop := connect()
	defer stop()
	for _, name := range []string{"one", "two", "three"} {
		_, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: apiID, Name: name})
		check(err)
	}
	n := 0
	for key, err := range client.Keys.All(ctx, latchkey.ListKeysRequest{APIID: apiID, Limit: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		if key.Enabled {
			n++
		}
	}
	fmt.Println(n)
	// Output: 3
}

// Whoever shows pages to people reads them one by one.
func ExampleAPIs_ListKeys() {
	client, apiID, stop := connect()
	defer stop()
	page, err := client.APIs.ListKeys(ctx, latchkey.ListKeysRequest{APIID: apiID, Limit: 20})
	check(err)
	fmt.Println(len(page.Data), page.Pagination.HasMore)
	// Output: 0 false
}

// Errors have one type, and sentinels for what they mean.
func ExampleError() {
	client, _, stop := connect()
	defer stop()
	_, err := client.APIs.Get(ctx, latchkey.GetAPIRequest{APIID: "api_of_nobody"})
	var refused *latchkey.Error
	switch {
	case errors.Is(err, latchkey.ErrNotFound):
		fmt.Println("not there")
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("timed out")
	}
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Code(), refused.Attempts, refused.RequestID != "")
	}
	// Output:
	// not there
	// 404 api_not_found 1 true
}

// What may be lost on the way and must be done once gets a name. Such a call can
// be made again, by the client or after a restart, and is not done again.
func ExampleWithIdempotencyKey() {
	client, apiID, stop := connect()
	defer stop()
	key, err := client.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: apiID, Credits: &latchkey.Credits{Remaining: latchkey.Int(100)},
	})
	check(err)
	for range 3 {
		v, err := client.Keys.Verify(ctx,
			latchkey.VerifyKeyRequest{
				Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(10)},
			},
			latchkey.WithIdempotencyKey("invoice 2026-03 of user_1"))
		check(err)
		fmt.Println(v.Code, v.Credits.Or(-1))
	}
	// Output:
	// VALID 90
	// VALID 90
	// VALID 90
}

// The service's name for the request helps whoever looks into its log.
func ExampleWithResponse() {
	client, _, stop := connect()
	defer stop()
	var info latchkey.ResponseInfo
	_, err := client.APIs.List(ctx, latchkey.ListAPIsRequest{}, latchkey.WithResponse(&info))
	fmt.Println(err, info.Attempts, info.RequestID == info.Header.Get("X-Request-Id"))
	// Output: <nil> 1 true
}

// One call can be more patient, or less, than the others.
func ExampleWithRetry() {
	client, _, stop := connect()
	defer stop()
	_, err := client.APIs.List(ctx, latchkey.ListAPIsRequest{},
		latchkey.WithRetry(latchkey.NoRetry), latchkey.WithTimeout(time.Minute),
		latchkey.WithHeader("X-Tenant", "a"))
	fmt.Println(err)
	// Output: <nil>
}

// A limiter decides about anything that has a name: users, addresses, jobs.
func ExampleLimiter_Allow() {
	client, _, stop := connect()
	defer stop()
	limiter, err := client.Limiter(latchkey.LimiterConfig{
		Namespace: "email", Limit: 10, Window: 24 * time.Hour,
		Timeout:     200 * time.Millisecond,
		BlockDenied: 10_000,
		// By default a call without a response is denied.
		OnError: func(_ context.Context, user string, err error) latchkey.Decision {
			return latchkey.Decision{Allowed: user == "user_1"}
		},
	})
	check(err)
	fmt.Println(limiter.AllowN(ctx, "user_1", 8).Allowed)
	fmt.Println(limiter.AllowN(ctx, "user_1", 8).Allowed)
	fmt.Println(limiter.Allow(ctx, "user_1").Remaining)
	// Output:
	// true
	// false
	// 1
}

// A token bucket lets through a burst and then evenly what it gains, here one mail
// each six minutes.
func ExampleLimiter_Allow_tokenBucket() {
	client, _, stop := connect()
	defer stop()
	limiter, err := client.Limiter(latchkey.LimiterConfig{
		Namespace: "newsletter", Limit: 10, Window: time.Hour, Algorithm: latchkey.TokenBucket,
	})
	check(err)
	burst := limiter.AllowN(ctx, "user_1", 10)
	fmt.Println(burst.Allowed, burst.Remaining, time.Until(burst.Reset).Round(time.Minute))
	fmt.Println(limiter.Allow(ctx, "user_1").Allowed)
	// Output:
	// true 0 1h0m0s
	// false
}

// The limiter stands before any http.Handler.
func ExampleLimiter_Handler() {
	client, _, stop := connect()
	defer stop()
	limiter, err := client.Limiter(latchkey.LimiterConfig{
		Namespace: "search", Limit: 1, Window: time.Hour,
	})
	check(err)
	search := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "results")
	})
	handler := limiter.Handler(func(r *http.Request) string { return r.RemoteAddr }, search)

	for range 2 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/search", nil))
		fmt.Println(w.Code, w.Header().Get("RateLimit-Limit"), w.Header().Get("Retry-After") != "")
	}
	// Output:
	// 200 1 false
	// 429 1 true
}

// Rate limits that belong to no key can also be asked for one by one.
func ExampleRatelimits_Limit() {
	client, _, stop := connect()
	defer stop()
	result, err := client.Ratelimits.Limit(ctx, latchkey.LimitRequest{
		Namespace: "email", Identifier: "user_1", Limit: 10, Duration: latchkey.Per(time.Hour),
		Cost: latchkey.Int(3),
	})
	check(err)
	fmt.Println(result.Success, result.Remaining)
	// Output: true 7
}

// An end user lists his own keys: your application creates the session, and the page that he
// is sent to exchanges the code.
func ExampleWithPortalSession() {
	client, apiID, stop := connect()
	defer stop()
	api, err := client.APIs.Update(ctx, latchkey.UpdateAPIRequest{APIID: apiID})
	check(err)
	_, err = client.Portals.Create(ctx, latchkey.CreatePortalRequest{
		Slug: "documents", DisplayName: "Documents", KeyspaceID: api.KeyspaceID,
	})
	check(err)
	_, err = client.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: apiID, ExternalID: "user_1", Name: "laptop",
	})
	check(err)

	session, err := client.Portals.CreateSession(ctx, latchkey.CreatePortalSessionRequest{
		Portal: "documents", ExternalID: "user_1", Scopes: []string{latchkey.ScopeKeysRead},
	})
	check(err)
	_, code, _ := strings.Cut(session.URL, "code=")
	access, err := client.Portals.ExchangeCode(ctx, latchkey.ExchangePortalCodeRequest{Code: code})
	check(err)
	keys, err := client.Portals.ListKeys(ctx, latchkey.ListPortalKeysRequest{},
		latchkey.WithPortalSession(access.AccessToken))
	check(err)
	fmt.Println(len(keys.Data), keys.Data[0].Name)
	// Output: 1 laptop
}
