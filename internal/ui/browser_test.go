package ui_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

// world is a service with a dashboard.
type world struct {
	t *testing.T
	*embedded.Service
	url    string
	passed atomic.Int64 // how long after the beginning it is, in ns
}

// beginning is the time of a new world.
var beginning = time.Date(2026, 11, 28, 16, 0, 0, 0, time.UTC)

// now returns the time of the world.
func (w *world) now() time.Time { return beginning.Add(time.Duration(w.passed.Load())) }

// advance lets time pass.
func (w *world) advance(d time.Duration) { w.passed.Add(int64(d)) }

// open starts a service.
func open(t *testing.T, change ...func(*embedded.Config)) *world {
	t.Helper()
	w := &world{t: t}
	cfg := embedded.Config{Data: t.TempDir(), Now: w.now}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if w.Service, err = embedded.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler)
	t.Cleanup(func() {
		server.Close()
		if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	w.url = server.URL
	return w
}

// rootKey creates a root key with permissions.
func (w *world) rootKey(permissions ...string) latchkey.CreatedRootKey {
	w.t.Helper()
	made, err := w.Client.RootKeys.Create(w.t.Context(), latchkey.CreateRootKeyRequest{
		Permissions: permissions,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// browser is a browser without script, which keeps cookies.
type browser struct {
	*world
	http.Client
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, http.Client{Jar: jar, CheckRedirect: func(
		*http.Request, []*http.Request,
	) error {
		return http.ErrUseLastResponse
	}}}
}

// signedIn is a browser that is signed in with a root key.
func (w *world) signedIn(rootKey string) *browser {
	w.t.Helper()
	b := w.browser()
	if a := b.post("/sign-in", "rootKey", rootKey); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign-in: %d %s", a.status, a.text)
	}
	return b
}

// answer is what a browser got.
type answer struct {
	status int
	header http.Header
	text   string
}

// leads is where an answer sends a browser, without the query; "" for nowhere.
func (a answer) leads() string {
	path, _, _ := strings.Cut(a.header.Get("Location"), "?")
	return path
}

func (b *browser) send(method, path string, form url.Values, header ...string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path,
		strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil)
}

// post sends a form of names and values.
func (b *browser) post(path string, form ...string) answer {
	b.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	return b.send(http.MethodPost, path, values)
}

// cookie returns a cookie of the browser, or nil.
func (b *browser) cookie(name string) *http.Cookie {
	b.t.Helper()
	at, err := url.Parse(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == name {
			return c
		}
	}
	return nil
}
