// Package echoguard lets only valid API keys through to handlers of echo.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	e := echo.New()
//	e.Use(echoguard.New(guard))
//	e.POST("/reports", reports, echoguard.New(guard.Cost(5)))
//
// A handler finds the verification in its request's context:
//
//	v, ok := protect.FromContext(c.Request().Context())
package echoguard

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/latchkeyhq/latchkey/protect"
)

// New returns the middleware of a guard. Its answers are those of
// [protect.Guard.Handler]; they are sent, not returned as errors. Errors of the
// handlers behind it pass through.
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
