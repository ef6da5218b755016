package echoguard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"

	"github.com/latchkeyhq/latchkey/adapters/echoguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

func serve(g *protect.Guard, r *http.Request, handler echo.HandlerFunc) *http.Response {
	e := echo.New()
	e.Logger = guardtest.Log
	e.Use(echoguard.New(g))
	e.Any("/", handler)
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return rec.Result()
}

func TestEchoAnswersAsNetHTTP(t *testing.T) {
	guardtest.SameAnswers(t, func(_ *testing.T, g *protect.Guard, r *http.Request) *http.Response {
		return serve(g, r, func(c *echo.Context) error {
			return c.String(http.StatusOK, guardtest.Hello(c.Request().Context()))
		})
	})
}

func TestErrorsOfHandlersPassThrough(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer sk_valid")
	answer := serve(guardtest.Guard(), r, func(*echo.Context) error {
		return echo.NewHTTPError(http.StatusTeapot, "short and stout")
	})
	if answer.StatusCode != http.StatusTeapot {
		t.Errorf("answered with %d, want the handler's %d", answer.StatusCode, http.StatusTeapot)
	}
}
