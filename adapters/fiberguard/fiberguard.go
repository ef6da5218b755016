// Package fiberguard requires valid API keys for handlers of fiber.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	app := fiber.New()
//	app.Use(fiberguard.New(guard))
//	app.Post("/reports", fiberguard.New(guard.Cost(5)), reports)
//
// A handler gets the verification from its context:
//
//	v, ok := protect.FromContext(c.Context())
package fiberguard

import (
	"net/http"
	"net/url"

	"github.com/gofiber/fiber/v3"

	"github.com/latchkeyhq/latchkey/protect"
)

// New returns the middleware of a guard. Denied requests get the responses of
// [protect.Guard.Handler], but Config.OnDenied is not called, because fiber has no
// http.ResponseWriter.
func New(g *protect.Guard) fiber.Handler {
	return func(c fiber.Ctx) error {
		v, err := g.CheckRequest(request(c))
		if err != nil {
			return send(c, g.Refuse(c.Context(), err))
		}
		c.SetContext(protect.NewContext(c.Context(), v))
		return c.Next()
	}
}

// request is what extractors may look at: method, address and header. All text is
// copied, because fiber uses its memory for the next request while a key may be
// kept, and a verification may still be under way.
func request(c fiber.Ctx) *http.Request {
	header := http.Header{}
	for name, value := range c.Request().Header.All() {
		header.Add(string(name), string(value))
	}
	uri := c.Request().URI()
	r := &http.Request{
		Method: string(c.Request().Header.Method()),
		URL:    &url.URL{Path: string(uri.Path()), RawQuery: string(uri.QueryString())},
		Header: header,
		Host:   string(uri.Host()),
	}
	return r.WithContext(c.Context())
}

func send(c fiber.Ctx, a protect.Answer) error {
	for name, values := range a.Header {
		for _, value := range values {
			c.Response().Header.Add(name, value)
		}
	}
	return c.Status(a.Status).Send(a.Body())
}
