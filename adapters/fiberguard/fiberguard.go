// Package fiberguard requires valid API keys for handlers of fiber.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	app := fiber.New()
//	app.Get("/documents", fiberguard.New(guard.Require("documents.read")), documents)
//	app.Post("/reports", fiberguard.New(guard.Cost(5)), reports)
//
// New(guard) with Use guards all routes. Two guards on one route verify twice, and spend
// credits twice.
//
// A handler gets the verification from its context:
//
//	v, ok := protect.FromContext(c.Context())
//
// An extractor of the guard gets the request as an http.Request with method, URL, header,
// body, addresses and context. It has no path values, because fiber has matched the
// route, and must not be used when the extractor has returned. The handler can still
// read the body.
package fiberguard

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/gofiber/fiber/v3"

	"github.com/latchkeyhq/latchkey"
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
		left := http.Header{}
		latchkey.SetRateLimitHeader(left, v.Ratelimits, 0)
		setHeader(c, left)
		ctx, end := g.Begin(c.Context(), v)
		defer end()
		c.SetContext(ctx)
		return c.Next()
	}
}

// request is what extractors see. All text is copied, because fiber uses its memory for
// the next request while a key may be kept, and a verification may still be under way.
func request(c fiber.Ctx) *http.Request {
	header := http.Header{}
	for name, value := range c.Request().Header.All() {
		header.Add(string(name), string(value))
	}
	header.Del("Host") // as in net/http
	uri := c.Request().URI()
	r := &http.Request{
		Method: string(c.Request().Header.Method()),
		URL:    &url.URL{Path: string(uri.Path()), RawQuery: string(uri.QueryString())},
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        header,
		Body:          &body{c: c},
		ContentLength: int64(max(c.Request().Header.ContentLength(), -1)),
		Host:          string(uri.Host()),
		RemoteAddr:    c.RequestCtx().RemoteAddr().String(),
		RequestURI:    string(c.Request().RequestURI()),
		TLS:           c.RequestCtx().TLSConnectionState(),
	}
	return r.WithContext(c.Context())
}

// body is the body of a request. It is copied when the first extractor reads it, which
// hardly any does.
type body struct {
	c      fiber.Ctx
	copied *bytes.Reader
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.copied == nil {
		b.copied = bytes.NewReader(bytes.Clone(b.c.Request().Body()))
	}
	return b.copied.Read(p)
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }

func send(c fiber.Ctx, a protect.Answer) error {
	setHeader(c, a.Header)
	return c.Status(a.Status).Send(a.Body())
}

func setHeader(c fiber.Ctx, h http.Header) {
	for name, values := range h {
		for _, value := range values {
			c.Response().Header.Add(name, value)
		}
	}
}
