package ui

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// How long a session lasts.
const (
	idleTimeout   = 12 * time.Hour      // without a request
	sessionMaxAge = 30 * 24 * time.Hour // in all
	usedInterval  = 5 * time.Minute     // between two notes that a session is in use

	// maxSessions is how many sessions a root key has; a new one ends the one that was
	// used least recently.
	maxSessions = 20
)

// ErrNoSession is the error of a [Sessions] for a session that doesn't exist.
var ErrNoSession = errors.New("ui: there is no such session")

// Session is a browser that is signed in.
type Session struct {
	// ID identifies the session. It is a hash of its secret, and not secret itself.
	ID string
	// RootKeyID is the root key with which the browser signed in.
	RootKeyID string
	// Sealed is that root key, which only the secret of the session opens.
	Sealed []byte
	// Address is that of the browser when it signed in, "" if it is unknown.
	Address string
	// Agent is what that browser calls itself.
	Agent string
	// CreatedAt is when the browser signed in.
	CreatedAt time.Time
	// UsedAt is when the session was last in use, some minutes late.
	UsedAt time.Time
	// ExpiresAt is when the session ends if it isn't used.
	ExpiresAt time.Time
}

// Sessions keeps sessions, for all nodes of a service.
type Sessions interface {
	// Add adds a session, and ends all but the most recently used ones of its root key
	// that are more than that many.
	Add(ctx context.Context, s Session, most int) error
	// Get returns a session, or ErrNoSession.
	Get(ctx context.Context, id string) (Session, error)
	// Use notes that a session was used, and when it ends now.
	Use(ctx context.Context, id string, at, expires time.Time) error
	// End ends a session of a root key. It is no error if there is none.
	End(ctx context.Context, id, rootKeyID string) error
	// Of returns the sessions of a root key, the most recently used first.
	Of(ctx context.Context, rootKeyID string) ([]Session, error)
}

// secretSize is the size of the secret of a session in bytes.
const secretSize = 32

// sessionID returns the id of the session with a secret.
func sessionID(secret []byte) string {
	sum := sha256.Sum256(secret)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// seal encrypts a root key for the session with a secret.
func seal(secret []byte, rootKey string) ([]byte, error) {
	aead, err := sealer(secret)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(rootKey), nil), nil
}

// unseal is the inverse of seal.
func unseal(secret, sealed []byte) (rootKey string, err error) {
	aead, err := sealer(secret)
	if err != nil {
		return "", err
	}
	text, err := aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return "", fmt.Errorf("ui: session: %w", err)
	}
	return string(text), nil
}

// sealer encrypts with a key that is derived from a secret. The id of the session is another
// hash of the secret, from which the key can't be computed.
func sealer(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "latchkey browser session", 32)
	if err != nil {
		return nil, fmt.Errorf("ui: session: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("ui: session: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// cookieName returns the name of the cookie of sessions. Browsers accept the first one only
// from this host and over https.
func cookieName(r *http.Request) string {
	if isHTTPS(r) {
		return "__Host-latchkey_session"
	}
	return "latchkey_session"
}

func isHTTPS(r *http.Request) bool { return r.URL.Scheme == "https" }

// secretOf returns the secret in the cookie of a request, or nil.
func secretOf(r *http.Request) []byte {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	secret, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(secret) != secretSize {
		return nil
	}
	return secret
}

// setCookie sets the cookie of sessions; without a secret it removes it.
func setCookie(w http.ResponseWriter, r *http.Request, secret []byte) {
	cookie := http.Cookie{
		Name: cookieName(r), Path: "/", HttpOnly: true, Secure: isHTTPS(r),
		// With Strict a link in a chat would lead to the sign-in page. No GET changes anything
		// but that of a welcome link, whose code no other site knows.
		SameSite: http.SameSiteLaxMode,
		MaxAge:   -1,
	}
	if secret != nil {
		cookie.Value = base64.RawURLEncoding.EncodeToString(secret)
		cookie.MaxAge = int(sessionMaxAge / time.Second)
	}
	http.SetCookie(w, &cookie)
}

// begin begins a session for a root key that works, and sets its cookie. The session that
// the browser had until then ends.
func (u *UI) begin(w http.ResponseWriter, r *http.Request, rootKey string, who *caller) error {
	ctx := r.Context()
	if old := secretOf(r); old != nil {
		if s, err := u.Sessions.Get(ctx, sessionID(old)); err == nil {
			if err := u.Sessions.End(ctx, s.ID, s.RootKeyID); err != nil {
				return err
			}
		}
	}
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // which never fails
	sealed, err := seal(secret, rootKey)
	if err != nil {
		return err
	}
	now := u.Now()
	s := Session{
		ID: sessionID(secret), RootKeyID: who.RootKeyID, Sealed: sealed, Address: r.RemoteAddr,
		Agent: clip(r.UserAgent(), 255), CreatedAt: now, UsedAt: now,
	}
	s.ExpiresAt = endOf(&s, who)
	if err := u.Sessions.Add(ctx, s, maxSessions); err != nil {
		return err
	}
	setCookie(w, r, secret)
	return nil
}

// endOf returns when a session ends that isn't used any more: never after its root key.
func endOf(s *Session, who *caller) time.Time {
	end := s.UsedAt.Add(idleTimeout)
	if last := s.CreatedAt.Add(sessionMaxAge); last.Before(end) {
		end = last
	}
	if !who.Expires.IsZero() && who.Expires.Before(end) {
		end = who.Expires.Time
	}
	return end
}

// find returns the session of a request and its root key, or ErrNoSession.
func (u *UI) find(r *http.Request) (Session, string, error) {
	secret := secretOf(r)
	if secret == nil {
		return Session{}, "", ErrNoSession
	}
	var s Session
	err := u.unknown.lookUp(r.Context(), network(r.RemoteAddr), u.Now(), func() (err error) {
		s, err = u.Sessions.Get(r.Context(), sessionID(secret))
		return err
	})
	if err != nil {
		return Session{}, "", err
	}
	if !s.ExpiresAt.After(u.Now()) {
		return Session{}, "", ErrNoSession
	}
	rootKey, err := unseal(secret, s.Sealed)
	return s, rootKey, err
}

// keep extends a session that is in use.
func (u *UI) keep(ctx context.Context, s *Session, who *caller) {
	now := u.Now()
	if now.Sub(s.UsedAt) < usedInterval {
		return
	}
	used := *s
	used.UsedAt = now
	if err := u.Sessions.Use(ctx, s.ID, now, endOf(&used, who)); err != nil {
		u.Log.Warn("a session of the dashboard could not be extended", "error", err)
	}
}
