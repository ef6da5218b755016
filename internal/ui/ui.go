// Package ui serves the dashboard: pages over the operations of the API.
//
// A page calls operations through a client that has the root key of the session, and
// nothing else, so it can do no more than this root key. The server makes the HTML and
// charts; every page works without script, which only makes it quicker.
//
// A noun has one file and one template. Its pages are lines in the table of [routes]: a
// GET shows, a POST changes and then redirects. A method of [visit] gets what it shows from
// v.client and passes it to v.show; any error that it returns becomes the page that says
// what to do. frame.html is what is around every page, parts.html what pages share.
package ui

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/ui/assets"
)

// Config configures the dashboard. Transport and Sessions are required.
type Config struct {
	// Transport carries the calls of the pages to the service.
	Transport latchkey.Transport
	// Sessions keeps who is signed in.
	Sessions Sessions
	// ReadOnly refuses all operations that change something.
	ReadOnly bool
	// FirstKey is the root key of the operator at the first start of a service, else "".
	// [UI.Welcome] signs in with it.
	FirstKey string
	// Version is the version of the program.
	Version string
	// Log gets what goes wrong; slog.Default by default.
	Log *slog.Logger
	// Now returns the time; time.Now by default.
	Now func() time.Time
}

// UI serves the dashboard. The RemoteAddr of a request must be the address of the browser,
// and its URL must have the scheme that the browser used.
type UI struct {
	Config
	mux     *http.ServeMux
	origins *http.CrossOriginProtection
	pages   map[string]*template.Template
	tries   *tries
	unknown *unknown
	welcome welcome
}

// New returns the dashboard.
func New(cfg Config) (*UI, error) {
	u := &UI{
		Config: cfg, mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(),
		tries: newTries(), unknown: newUnknown(), welcome: newWelcome(cfg.FirstKey),
	}
	if u.Log == nil {
		u.Log = slog.Default()
	}
	if u.Now == nil {
		u.Now = time.Now
	}
	u.Version = cmp.Or(u.Version, "development")
	var err error
	if u.pages, err = parseTemplates(); err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	u.mux.Handle(assets.Prefix, assets.Handler())
	for pattern, page := range open {
		u.mux.HandleFunc(pattern, u.guard(func(w http.ResponseWriter, r *http.Request) {
			if u.readForm(w, r, "") {
				page(u, w, r)
			}
		}))
	}
	for pattern, page := range routes {
		u.mux.HandleFunc(pattern, u.guard(func(w http.ResponseWriter, r *http.Request) {
			u.visit(w, r, page)
		}))
	}
	return u, nil
}

// open are the pages for browsers that aren't signed in.
var open = map[string]func(*UI, http.ResponseWriter, *http.Request){
	"GET /sign-in":        (*UI).signInPage,
	"POST /sign-in":       (*UI).signIn,
	"GET /welcome/{code}": (*UI).spendWelcome,
	"POST /look":          (*UI).setLook,
}

// routes are the pages for browsers that are signed in, and the changes that they make.
var routes = map[string]func(*visit) error{
	"GET /{$}":       (*visit).overview,
	"POST /sign-out": (*visit).signOut,

	"GET /more":  (*visit).more,
	"POST /find": (*visit).findAnything,

	"GET /apis":               (*visit).apis,
	"GET /apis/new":           (*visit).newAPI,
	"POST /apis/new":          (*visit).createAPI,
	"GET /apis/{apiId}":       (*visit).keys,
	"POST /apis/{apiId}/find": (*visit).findKeys,

	"GET /apis/{apiId}/keys/new":  (*visit).newKey,
	"POST /apis/{apiId}/keys/new": (*visit).createKey,

	"GET /apis/{apiId}/settings":  (*visit).apiSettings,
	"POST /apis/{apiId}/settings": (*visit).updateAPI,
	"POST /apis/{apiId}/delete":   (*visit).deleteAPI,

	"GET /identities":                      (*visit).identities,
	"GET /identities/new":                  (*visit).newIdentity,
	"POST /identities/new":                 (*visit).createIdentity,
	"GET /identities/{identityId}":         (*visit).identity,
	"POST /identities/{identityId}":        (*visit).updateIdentity,
	"POST /identities/{identityId}/switch": (*visit).switchIdentity,
	"POST /identities/{identityId}/delete": (*visit).deleteIdentity,

	"GET /limits":                                 (*visit).namespaces,
	"GET /limits/{namespaceId}":                   (*visit).namespace,
	"POST /limits/{namespaceId}":                  (*visit).updateNamespace,
	"POST /limits/{namespaceId}/test":             (*visit).testLimit,
	"POST /limits/{namespaceId}/overrides":        (*visit).setOverride,
	"POST /limits/{namespaceId}/overrides/delete": (*visit).deleteOverride,

	"GET /access":              (*visit).access,
	"POST /access":             (*visit).saveAccess,
	"POST /access/roles":       (*visit).createRole,
	"POST /access/permissions": (*visit).createPermission,
	"POST /access/delete":      (*visit).deleteAccess,

	"GET /playground":  (*visit).playground,
	"POST /playground": (*visit).ask,

	"GET /keys/{keyId}":          (*visit).key,
	"GET /keys/{keyId}/edit":     (*visit).editKey,
	"POST /keys/{keyId}/edit":    (*visit).updateKey,
	"POST /keys/{keyId}/switch":  (*visit).switchKey,
	"POST /keys/{keyId}/reroll":  (*visit).rerollKey,
	"POST /keys/{keyId}/credits": (*visit).changeCredits,
	"POST /keys/{keyId}/grants":  (*visit).changeGrants,
	"POST /keys/{keyId}/delete":  (*visit).deleteKey,

	"GET /audit":  (*visit).auditLog,
	"GET /status": (*visit).health,

	"GET /webhooks":                     (*visit).webhooks,
	"GET /webhooks/new":                 (*visit).newWebhook,
	"POST /webhooks/new":                (*visit).createWebhook,
	"GET /webhooks/{webhookId}":         (*visit).webhook,
	"POST /webhooks/{webhookId}":        (*visit).changeWebhook,
	"POST /webhooks/{webhookId}/test":   (*visit).testWebhook,
	"POST /webhooks/{webhookId}/secret": (*visit).rotateWebhookSecret,
	"POST /webhooks/{webhookId}/delete": (*visit).deleteWebhook,

	"POST /webhooks/{webhookId}/deliveries/{deliveryId}/resend": (*visit).resendDelivery,

	"GET /root-keys":                     (*visit).rootKeys,
	"GET /root-keys/new":                 (*visit).newRootKey,
	"POST /root-keys/new":                (*visit).createRootKey,
	"GET /root-keys/{rootKeyId}":         (*visit).rootKey,
	"POST /root-keys/{rootKeyId}":        (*visit).changeRootKey,
	"POST /root-keys/{rootKeyId}/delete": (*visit).deleteRootKey,

	"GET /workspaces":                (*visit).workspaces,
	"POST /workspaces":               (*visit).createWorkspace,
	"GET /workspaces/{workspaceId}":  (*visit).workspace,
	"POST /workspaces/{workspaceId}": (*visit).changeWorkspace,

	"GET /settings": (*visit).settings,
	"POST /settings/sessions/{sessionId}/end": (*visit).endSession,

	"GET /docs":        (*visit).docs,
	"GET /docs/{page}": (*visit).docsPage,
}

// Knows reports whether a request is for a page of the dashboard.
func (u *UI) Knows(r *http.Request) bool {
	_, pattern := u.mux.Handler(r)
	return pattern != ""
}

// ServeHTTP serves the pages that the dashboard knows.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.mux.ServeHTTP(w, r) }

// policy is what pages can do: nothing but load the dashboard's own files. There is no
// inline script or style, so text of users that got into a page as markup couldn't run.
var policy = []string{strings.Join([]string{
	"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
	"font-src 'self'", "connect-src 'self'", "form-action 'self'", "base-uri 'none'",
	"frame-ancestors 'none'",
}, "; ")}

const (
	// openForm is the size of the largest form that is read of anybody.
	openForm = 16 << 10
	// maxForm is the size of the largest form: 1 MiB of metadata and everything else. It is
	// read only of browsers that are signed in.
	maxForm = 1<<20 + 256<<10
)

// guard refuses what another site sent, and sets the headers of every page.
func (u *UI) guard(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = policy
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if err := u.origins.Check(r); err != nil {
			u.plain(w, r, http.StatusForbidden, "This form was sent by another site",
				"Nothing was changed. Open the page here and send it again.")
			return
		}
		page(w, r)
	}
}

// LongBody is a body of a request that needs memory which requests share.
type LongBody interface {
	// Take takes memory for a body of at most that many bytes on behalf of a workspace, until
	// the request ends, and reports whether there is enough.
	Take(workspace string, most int64) bool
}

// readForm reads the form of a request that belongs to a workspace, "" if nobody is signed in.
// It answers itself, and returns false, if the form is too long or can't be read.
func (u *UI) readForm(w http.ResponseWriter, r *http.Request, workspace string) bool {
	most := int64(openForm)
	if workspace != "" && r.Method == http.MethodPost {
		most = maxForm
		long := r.ContentLength < 0 || openForm < r.ContentLength && r.ContentLength <= maxForm
		if body, shared := r.Body.(LongBody); shared && long && !body.Take(workspace, most) {
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "1")
			u.plain(w, r, http.StatusServiceUnavailable, "Too many long forms are in progress",
				"Nothing was changed. Send it again.")
			return false
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := errTooLong
	if r.ContentLength <= most {
		err = r.ParseForm()
	}
	if err != nil {
		w.Header().Set("Connection", "close")
		u.plain(w, r, http.StatusBadRequest, "The form could not be read",
			fmt.Sprintf("Nothing was changed. This form can have %d KB.", most>>10))
	}
	return err == nil
}

// errTooLong is the error of a form that isn't read, because it says that it is too long.
var errTooLong = errors.New("ui: the form is too long")
