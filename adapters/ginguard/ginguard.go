// Package ginguard requires valid API keys for handlers of gin.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	router := gin.New()
//	router.GET("/documents", ginguard.New(guard.Require("documents.read")), documents)
//	router.POST("/reports", ginguard.New(guard.Cost(5)), reports)
//
// New(guard) with Use guards all routes. Two guards on one route verify twice, and spend
// credits twice.
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
