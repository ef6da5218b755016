package server

import (
	"io"
	"net/http"
)

// Pages are pages for people, at paths that the API doesn't have.
type Pages interface {
	http.Handler
	// Knows reports whether there is a page for a request.
	Knows(r *http.Request) bool
}

// elsewhere answers a request at a path that the API doesn't have.
func (x *exchange) elsewhere() {
	if x.PagesApart || x.Pages == nil || !x.Pages.Knows(x.r) {
		x.notFound()
		return
	}
	x.page()
}

// onlyPage answers a request for a page, where there is no API.
func (x *exchange) onlyPage() {
	if !x.Pages.Knows(x.r) {
		x.notFound()
		return
	}
	x.page()
}

// page serves a page. It is told the address of the browser as RemoteAddr, "" if it is
// unknown, and by the scheme of the URL whether the browser uses https.
func (x *exchange) page() {
	r := x.r.WithContext(x.r.Context())
	u := *x.r.URL
	u.Scheme = "http"
	if x.isHTTPS() {
		u.Scheme = "https"
	}
	r.URL, r.RemoteAddr = &u, x.remoteIP()
	r.Body = &pageBody{x.r.Body, x}
	x.Pages.ServeHTTP(&statusWriter{x.w, &x.status}, r)
}

// pageBody is the body of a request for a page.
type pageBody struct {
	io.ReadCloser
	x *exchange
}

// Take takes memory for a body of at most that many bytes, as long bodies of the API do, and
// reports whether there is enough. From then on the body must keep arriving.
func (b *pageBody) Take(workspace string, most int64) bool {
	size := b.x.r.ContentLength
	if size < 0 {
		size = most // nobody knows how long it will be
	}
	if !b.x.bodies.take(workspace, size) {
		return false
	}
	b.x.taken = taken{workspace, size}
	b.ReadCloser = struct {
		io.Reader
		io.Closer
	}{b.x.paced(), b.ReadCloser}
	return true
}

// statusWriter notes the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status *int
}

func (w *statusWriter) WriteHeader(status int) {
	if *w.status == 0 {
		*w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(text []byte) (int, error) {
	if *w.status == 0 {
		*w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(text)
}
