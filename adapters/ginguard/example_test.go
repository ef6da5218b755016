package ginguard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/latchkeyhq/latchkey/adapters/ginguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

// client stands for a latchkey.Client.
var client = struct{ Keys protect.Verifier }{guardtest.Keys{}}

func Example() {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()

	guard := protect.New(protect.Config{Verifier: client.Keys})
	router.GET("/documents", ginguard.New(guard.Require("read")), func(c *gin.Context) {
		key, _ := protect.FromContext(c.Request.Context())
		c.String(http.StatusOK, "documents of %s", key.KeyID)
	})

	for _, key := range []string{"sk_valid", "sk_unknown"} {
		r := httptest.NewRequest("GET", "/documents", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 documents of key_1
	// 401 {"title":"Unauthorized","status":401,"detail":"there is no such API key","code":"NOT_FOUND"}
}
