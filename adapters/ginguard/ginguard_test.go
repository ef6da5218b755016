package ginguard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/latchkeyhq/latchkey/adapters/ginguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

func router(g *protect.Guard) *gin.Engine {
	gin.SetMode(gin.TestMode)
	e := gin.New()
	e.Use(ginguard.New(g))
	e.Any("/", func(c *gin.Context) { c.String(http.StatusOK, guardtest.Hello(c.Request.Context())) })
	return e
}

func TestGinAnswersAsNetHTTP(t *testing.T) {
	guardtest.SameAnswers(t, func(_ *testing.T, g *protect.Guard, r *http.Request) *http.Response {
		rec := httptest.NewRecorder()
		router(g).ServeHTTP(rec, r)
		return rec.Result()
	})
}

// TestRefusedRequestsReachNoLaterHandler has several handlers after the guard,
// which gin would call one by one.
func TestRefusedRequestsReachNoLaterHandler(t *testing.T) {
	gin.SetMode(gin.TestMode)
	e := gin.New()
	later := 0
	count := func(*gin.Context) { later++ }
	e.GET("/", ginguard.New(guardtest.Guard()), count, count, count)
	for key, want := range map[string]int{"sk_unknown": 0, "sk_down": 0, "sk_valid": 3} {
		later = 0
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		e.ServeHTTP(httptest.NewRecorder(), r)
		if later != want {
			t.Errorf("%s reached %d handlers, want %d", key, later, want)
		}
	}
}
