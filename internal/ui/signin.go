package ui

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// signInView is what the sign-in page shows.
type signInView struct {
	Problem string // why nobody is signed in; "" for no reason
	Then    string // the page to go to
}

// signInPage is the page with the field for a root key.
func (u *UI) signInPage(w http.ResponseWriter, r *http.Request) {
	view := signInView{Then: localPath(r.FormValue("then"))}
	if r.Form.Has("ended") {
		view.Problem = "Your session has ended. Sign in again."
	}
	u.bare(w, r, http.StatusOK, "signin", "Sign in", view)
}

// signIn begins a session for a root key that works.
func (u *UI) signIn(w http.ResponseWriter, r *http.Request) {
	rootKey := strings.TrimSpace(r.PostFormValue("rootKey"))
	view := signInView{Then: localPath(r.PostFormValue("then"))}
	refuse := func(status int, problem string) {
		view.Problem = problem
		u.bare(w, r, status, "signin", "Sign in", view)
	}
	if rootKey == "" {
		refuse(http.StatusBadRequest, "Enter a root key.")
		return
	}
	if !u.tries.permit(r.RemoteAddr, rootKey, u.Now()) {
		w.Header().Set("Retry-After", "60")
		refuse(http.StatusTooManyRequests, "Too many tries. Again in a minute.")
		return
	}
	who, err := u.identify(r, rootKey)
	if err == nil {
		err = u.begin(w, r, rootKey, who)
	}
	if err != nil {
		if errors.Is(err, latchkey.ErrUnauthorized) || errors.Is(err, latchkey.ErrForbidden) {
			u.tries.note(r.RemoteAddr, rootKey)
		}
		refuse(reason(u, err))
		return
	}
	http.Redirect(w, r, view.Then, http.StatusSeeOther)
}

// identify returns what a root key can do, or why it doesn't work.
func (u *UI) identify(r *http.Request, rootKey string) (*caller, error) {
	client, err := latchkey.New(latchkey.Config{
		Transport: &calls{ui: u, r: r}, RootKey: rootKey, Retry: latchkey.NoRetry,
	})
	if err != nil {
		return nil, &latchkey.Error{
			Status: http.StatusUnauthorized, Detail: "This is not a root key.",
		}
	}
	who, err := client.RootKeys.Whoami(r.Context())
	if err != nil {
		return nil, err
	}
	return newCaller(who, u.ReadOnly), nil
}

// reason returns the status and the text for a root key that doesn't work.
func reason(u *UI, err error) (status int, problem string) {
	var refused *latchkey.Error
	if !errors.As(err, &refused) {
		u.Log.Error("sign-in failed", "error", err)
		return http.StatusInternalServerError,
			"The service didn’t answer. Nobody is signed in. Try again."
	}
	id := " " + refused.RequestID
	switch {
	case refused.Status == http.StatusUnauthorized:
		return refused.Status, "There is no such root key. Check that you copied all of it." + id
	case refused.Status == http.StatusForbidden, refused.Status == http.StatusTooManyRequests:
		return refused.Status, refused.Detail + id
	}
	return refused.Status, "The service didn’t answer. Nobody is signed in. Try again." + id
}

// signOut ends the session.
func (v *visit) signOut() error {
	if err := v.Sessions.End(v.r.Context(), v.session.ID, v.session.RootKeyID); err != nil {
		return err
	}
	setCookie(v.w, v.r, nil)
	http.Redirect(v.w, v.r, "/sign-in", http.StatusSeeOther)
	return nil
}

// welcome is a link that signs in once, with the root key of the operator.
type welcome struct {
	mu      sync.Mutex
	code    string // "" once it is spent
	rootKey string
}

func newWelcome(rootKey string) welcome {
	if rootKey == "" {
		return welcome{}
	}
	return welcome{code: rand.Text(), rootKey: rootKey}
}

// WelcomePath returns the path that signs in once with Config.FirstKey, or "" if there is
// none.
func (u *UI) WelcomePath() string {
	if u.welcome.code == "" {
		return ""
	}
	return "/welcome/" + u.welcome.code
}

// spend returns the root key for a code, once.
func (l *welcome) spend(code string) (rootKey string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.code == "" || subtle.ConstantTimeCompare([]byte(l.code), []byte(code)) == 0 {
		return ""
	}
	rootKey, l.code, l.rootKey = l.rootKey, "", ""
	return rootKey
}

// spendWelcome signs in with the link that latchkey serve printed at the first start.
func (u *UI) spendWelcome(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet { // HEAD only looks
		return
	}
	rootKey := u.welcome.spend(r.PathValue("code"))
	if rootKey == "" {
		u.bare(w, r, http.StatusGone, "signin", "Sign in", signInView{
			Problem: "This link has been used. Sign in with the root key.", Then: "/",
		})
		return
	}
	who, err := u.identify(r, rootKey)
	if err == nil {
		err = u.begin(w, r, rootKey, who)
	}
	if err != nil {
		status, problem := reason(u, err)
		u.bare(w, r, status, "signin", "Sign in", signInView{Problem: problem, Then: "/"})
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// tries counts failed sign-ins of the last minute, by address and by the beginning of the
// root key. It is for one node.
type tries struct {
	mu     sync.Mutex
	begun  time.Time
	counts map[string]int
}

// The most failed sign-ins a minute.
const (
	triesOfAddress = 10
	triesOfKey     = 30
	maxTries       = 4096 // of all together
)

func newTries() *tries { return &tries{counts: map[string]int{}} }

// tried returns what is counted for a sign-in.
func tried(address, rootKey string) (byAddress, byKey string) {
	return "address " + network(address), "key " + clip(rootKey, 14)
}

// permit reports whether a root key can be tried.
func (t *tries) permit(address, rootKey string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.begun) >= time.Minute || now.Before(t.begun) {
		t.begun = now
		clear(t.counts)
	}
	byAddress, byKey := tried(address, rootKey)
	return t.counts[byAddress] < triesOfAddress && t.counts[byKey] < triesOfKey
}

// note counts a failed sign-in.
func (t *tries) note(address, rootKey string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	byAddress, byKey := tried(address, rootKey)
	for _, what := range []string{byAddress, byKey} {
		if _, known := t.counts[what]; known || len(t.counts) < maxTries {
			t.counts[what]++
		}
	}
}

// end ends a session whose root key doesn't work any more.
func (u *UI) end(ctx context.Context, s *Session) {
	if err := u.Sessions.End(ctx, s.ID, s.RootKeyID); err != nil {
		u.Log.Warn("a session of the dashboard could not be ended", "error", err)
	}
}
