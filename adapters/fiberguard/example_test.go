package fiberguard_test

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/gofiber/fiber/v3"

	"github.com/latchkeyhq/latchkey/adapters/fiberguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

// client stands for a latchkey.Client.
var client = struct{ Keys protect.Verifier }{guardtest.Keys{}}

func Example() {
	app := fiber.New()

	guard := protect.New(protect.Config{Verifier: client.Keys})
	app.Get("/documents", fiberguard.New(guard.Require("read")), func(c fiber.Ctx) error {
		key, _ := protect.FromContext(c.Context())
		return c.SendString("documents of " + key.KeyID)
	})

	for _, key := range []string{"sk_valid", "sk_unknown"} {
		r := httptest.NewRequest("GET", "/documents", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		response, err := app.Test(r)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(response.Body)
		fmt.Println(response.StatusCode, string(body))
	}
	// Output:
	// 200 documents of key_1
	// 401 {"title":"Unauthorized","status":401,"detail":"there is no such API key","code":"NOT_FOUND"}
}
