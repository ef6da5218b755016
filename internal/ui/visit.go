package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// visit is a request of a browser that is signed in.
type visit struct {
	*UI
	w       http.ResponseWriter
	r       *http.Request
	session Session
	who     *caller
	client  *latchkey.Client // with the root key of the session
	calls   *calls
}

// caller is what a root key is and can do.
type caller struct {
	latchkey.RootKeyWhoami
	can map[string]bool // operations that it can call
}

// newCaller returns the caller of a root key, who can change nothing if the dashboard is
// read-only.
func newCaller(who latchkey.RootKeyWhoami, readOnly bool) *caller {
	c := &caller{RootKeyWhoami: who, can: map[string]bool{}}
	for _, op := range who.Operations {
		c.can[op.Operation] = !readOnly || reads(op.Operation)
	}
	return c
}

// reads reports whether an operation changes nothing.
func reads(operation string) bool {
	op, known := latchkey.LookupOperation(operation)
	return known && op.Effect == latchkey.EffectReads
}

// visit serves a page to a browser that is signed in. Others are sent to sign in.
func (u *UI) visit(w http.ResponseWriter, r *http.Request, page func(*visit) error) {
	v := &visit{UI: u, w: w, r: r, calls: &calls{ui: u, r: r}}
	switch err := v.enter(); {
	case errors.Is(err, ErrNoSession):
		v.leave()
		return
	case errors.Is(err, latchkey.ErrUnauthorized), errors.Is(err, latchkey.ErrForbidden):
		v.end(v.ctx(), &v.session) // the root key was deleted or disabled, or has expired
		v.leave()
		return
	case err != nil:
		v.fail(err)
		return
	}
	if !u.readForm(w, r, v.who.WorkspaceID) {
		return
	}
	if err := page(v); err != nil {
		v.fail(err)
	}
}

// enter finds the session of the browser and what its root key can do now. If the root key
// doesn't work any more, the session ends.
func (v *visit) enter() error {
	session, rootKey, err := v.find(v.r)
	if err != nil {
		return err
	}
	v.session = session
	v.client, err = latchkey.New(latchkey.Config{
		Transport: v.calls, RootKey: rootKey, Retry: latchkey.NoRetry,
	})
	if err != nil {
		return err
	}
	who, err := v.client.RootKeys.Whoami(v.r.Context())
	if err != nil {
		return err
	}
	v.who = newCaller(who, v.ReadOnly)
	v.keep(v.r.Context(), &v.session, v.who)
	return nil
}

// leave sends the browser to the sign-in page, and from there back to this page.
func (v *visit) leave() {
	query := url.Values{}
	if v.r.Method == http.MethodGet {
		query.Set("then", v.r.URL.RequestURI())
	}
	if secretOf(v.r) != nil {
		query.Set("ended", "")
		setCookie(v.w, v.r, nil)
	}
	http.Redirect(v.w, v.r, "/sign-in?"+query.Encode(), http.StatusSeeOther)
}

// ctx is the context of the request.
func (v *visit) ctx() context.Context { return v.r.Context() }

// once is the option of a call that a form makes: sent twice, the form changes things once.
func (v *visit) once() latchkey.CallOption {
	return latchkey.WithIdempotencyKey("ui-" + clip(v.r.PostFormValue("once"), 64))
}

// redirect leads to another page of the dashboard, which says what was done; "" says nothing.
func (v *visit) redirect(path, done string) error {
	if done != "" {
		setNotice(v.w, v.r, done)
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// calls carries the calls of one request to the service.
type calls struct {
	ui   *UI
	r    *http.Request
	took time.Duration // all of them together
}

// errReadOnly is the error of changes in a dashboard that makes none.
var errReadOnly = &latchkey.Error{
	Status: http.StatusForbidden, Title: "Forbidden",
	Detail: "This dashboard is read-only: the service was started with --ui read-only.",
}

// Send adds who the browser is, for the audit log.
func (c *calls) Send(ctx context.Context, a *latchkey.Attempt) (latchkey.Answer, error) {
	if c.ui.ReadOnly && !reads(a.Operation) {
		return latchkey.Answer{}, errReadOnly
	}
	named := *a
	named.Header = http.Header{"User-Agent": {clip(c.r.UserAgent(), 255)}}
	if c.r.RemoteAddr != "" {
		named.Header.Set("X-Forwarded-For", c.r.RemoteAddr)
	}
	begun := time.Now()
	defer func() { c.took += time.Since(begun) }()
	return c.ui.Transport.Send(ctx, &named)
}
