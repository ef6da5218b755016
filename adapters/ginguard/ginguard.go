// Package ginguard lets only valid API keys through to handlers of gin.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	router := gin.New()
//	router.Use(ginguard.New(guard))
//	router.POST("/reports", ginguard.New(guard.Cost(5)), reports)
//
// A handler finds the verification in its request's context:
//
//	v, ok := protect.FromContext(c.Request.Context())
package ginguard

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/latchkeyhq/latchkey/protect"
)

// New returns the middleware of a guard. Its answers are those of
// [protect.Guard.Handler], and what is refused there is aborted here.
func New(g *protect.Guard) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
