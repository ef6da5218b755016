// Package echoguard requires valid API keys for handlers of echo.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	e := echo.New()
//	e.GET("/documents", documents, echoguard.New(guard.Require("documents.read")))
//	e.POST("/reports", reports, echoguard.New(guard.Cost(5)))
//
// New(guard) with Use guards all routes. Two guards on one route verify twice, and spend
// credits twice.
//
// A handler gets the verification from the context of its request:
//
//	v, ok := protect.FromContext(c.Request().Context())
package echoguard

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/latchkeyhq/latchkey/protect"
)

// New returns the middleware of a guard. Denied requests get the responses of
// [protect.Guard.Handler], not errors. Errors of handlers are returned as they are.
func New(g *protect.Guard) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) (err error) {
			g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				err = next(c)
			})).ServeHTTP(c.Response(), c.Request())
			return err
		}
	}
}
