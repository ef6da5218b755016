package echoguard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	"github.com/latchkeyhq/latchkey/adapters/echoguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

// client stands for a latchkey.Client.
var client = struct{ Keys protect.Verifier }{guardtest.Keys{}}

func Example() {
	e := echo.New()

	guard := protect.New(protect.Config{Verifier: client.Keys})
	e.GET("/documents", func(c *echo.Context) error {
		key, _ := protect.FromContext(c.Request().Context())
		return c.String(http.StatusOK, "documents of "+key.KeyID)
	}, echoguard.New(guard.Require("read")))

	for _, key := range []string{"sk_valid", "sk_spent"} {
		r := httptest.NewRequest("GET", "/documents", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 documents of key_1
	// 402 {"title":"Payment Required","status":402,"detail":"the API key has not enough credits left","code":"USAGE_EXCEEDED"}
}
