// Package ginguard requires valid API keys for handlers of gin.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	router := gin.New()
//	router.Use(ginguard.New(guard))
//	router.POST("/reports", ginguard.New(guard.Cost(5)), reports)
//
// A handler gets the verification from the context of its request:
//
//	v, ok := protect.FromContext(c.Request.Context())
package ginguard

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/latchkeyhq/latchkey/protect"
)

// New returns the middleware of a guard. Denied requests get the responses of
// [protect.Guard.Handler] and are aborted.
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
