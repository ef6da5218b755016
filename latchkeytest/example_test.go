package latchkeytest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

// t is the test's; examples have none.
var t *testing.T

// A test of what happens when a key expires takes no time.
func ExampleNew() {
	s := latchkeytest.New(t)
	key := s.NewKey(latchkey.CreateKeyRequest{Expires: latchkey.At(s.Clock.Now().Add(time.Hour))})
	s.Clock.Advance(2 * time.Hour)
	v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key})
	if err != nil || v.Code != latchkey.Expired {
		t.Errorf("%s, %v", v.Code, err)
	}
}

// A program that is given a URL and a root key gets those of the test's service.
func ExampleService() {
	s := latchkeytest.New(t)
	t.Setenv("LATCHKEY_URL", s.URL)
	t.Setenv("LATCHKEY_ROOT_KEY", s.RootKey)
}

// handler is what an example tests: it lets valid keys in. Anything with this
// method will do, such as the Keys of a client.
func handler(keys interface {
	Verify(context.Context, latchkey.VerifyKeyRequest,
		...latchkey.CallOption) (latchkey.Verification, error)
}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := keys.Verify(r.Context(), latchkey.VerifyKeyRequest{Key: r.Header.Get("X-Api-Key")})
		if err != nil || !v.Valid {
			http.Error(w, string(v.Code), http.StatusUnauthorized)
		}
	})
}

// Where only the answer counts, no service is needed.
func ExampleStatic() {
	protected := handler(latchkeytest.Static{
		"good": {Valid: true, Permissions: []string{"documents.read"}},
		"old":  {Code: latchkey.Expired},
	})
	for _, key := range []string{"good", "old", "unknown"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Api-Key", key)
		w := httptest.NewRecorder()
		protected.ServeHTTP(w, r)
		fmt.Println(key, w.Code)
	}
	// Output:
	// good 200
	// old 401
	// unknown 401
}
