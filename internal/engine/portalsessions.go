package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

const (
	codeLifetime   = 15 * time.Minute // of the code in the URL of a session
	accessLifetime = 24 * time.Hour   // of a session after that

	// maxSessions is how many sessions an end user has in a portal.
	maxSessions = 20

	codePrefix   = "pst"
	accessPrefix = "pat"
	secretBytes  = 24
)

// portalSession is what a caller with a portal session can reach.
type portalSession struct {
	externalID string // of the end user
	identity   string // "" if the end user has no identity, and so no keys
	api        string
	keyspace   string
}

// session returns the portal session that calls. It reaches nothing if none does.
func (c *Caller) session() *portalSession {
	if c.root.session == nil {
		return new(portalSession)
	}
	return c.root.session
}

// CreatePortalSession creates a session of an end user in a portal, and returns the
// URL to send him to. The code in the URL works once, within 15 minutes:
// portal.exchangeCode exchanges it for an access token, which is valid for 24 hours.
//
// A session can do what its scopes say with the end user's own keys of the portal's
// keyspace, and no more than the root key itself: while the root key lacks the
// permission that a scope needs, the scope doesn't work, and the session ends with
// the root key. A scope whose permission the root key lacks returns 403. An end
// user has at most 20 sessions in a portal; a new one ends the oldest. A disabled
// portal returns 403.
func (e *Engine) CreatePortalSession(
	ctx context.Context, who Caller, r *latchkey.CreatePortalSessionRequest,
) (latchkey.CreatedPortalSession, error) {
	scopes, err := checkScopes(r.Scopes)
	if err != nil {
		return latchkey.CreatedPortalSession{}, err
	}
	if err := checkURL("returnUrl", r.ReturnURL, "https", "http"); err != nil {
		return latchkey.CreatedPortalSession{}, err
	}
	work := func(ctx context.Context, c *Change) (latchkey.CreatedPortalSession, error) {
		row, err := c.portal(ctx, r.Portal)
		if err != nil {
			return latchkey.CreatedPortalSession{}, err
		}
		if !row.Portal.Enabled {
			return latchkey.CreatedPortalSession{}, errForbidden.with("This portal is disabled.")
		}
		if err := c.requireScopes(&row.API, scopes); err != nil {
			return latchkey.CreatedPortalSession{}, err
		}
		code := newSecret(codePrefix, secretBytes)
		link, err := e.portalURL(&who, code.text)
		if err != nil {
			return latchkey.CreatedPortalSession{}, err
		}
		if err := c.makeRoomForSession(ctx, row.Portal.ID, r.ExternalID); err != nil {
			return latchkey.CreatedPortalSession{}, err
		}
		id := NewID("ps")
		c.audit(portalSessionCreated, target("portalSession", id, r.ExternalID),
			target("portal", row.Portal.ID, row.Portal.Slug))
		err = c.tx.InsertPortalSession(ctx, write.InsertPortalSessionParams{
			ID: id, WorkspaceID: who.WorkspaceID(), PortalID: row.Portal.ID,
			Epoch: row.Portal.Epoch, RootKeyID: who.root.id, ExternalID: r.ExternalID,
			Scopes: strings.Join(scopes, " "), ReturnURL: r.ReturnURL, Hash: code.hash,
			CreatedAt: c.now, ExpiresAt: c.now + codeLifetime.Milliseconds(),
		})
		if err != nil {
			return latchkey.CreatedPortalSession{}, fmt.Errorf("portal session: %w", err)
		}
		return latchkey.CreatedPortalSession{ID: id, URL: link}, nil
	}
	return change(ctx, e, who, work)
}

// checkScopes returns the scopes without repetitions, or an error if one of them doesn't
// work without keys:read.
func checkScopes(asked []string) (scopes []string, err error) {
	for _, scope := range asked {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	if slices.Contains(scopes, latchkey.ScopeKeysRead) {
		return scopes, nil
	}
	return nil, invalid(latchkey.Fault{
		Location: "/properties/scopes", Message: "scopes must have keys:read, which all others need",
		Fix: "Add keys:read.",
	})
}

// requireScopes returns an error unless the caller itself can do what the scopes are for.
func (c *Change) requireScopes(api *read.API, scopes []string) error {
	for _, scope := range scopes {
		for _, when := range conditionsOf(scope, api) {
			err := c.requireWhen(when, ids{API: api.ID, Keyspace: api.KeyspaceID})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// conditionsOf returns the conditions that a scope fulfills for the keys of an API.
func conditionsOf(scope string, api *read.API) []latchkey.Condition {
	switch scope {
	case latchkey.ScopeKeysReroll:
		when := []latchkey.Condition{latchkey.WhenKeysReroll}
		if api.StoreEncrypted {
			when = append(when, latchkey.WhenRerollRecoverable)
		}
		if api.StrictGrants {
			when = append(when, latchkey.WhenRerollStrict)
		}
		return when
	case latchkey.ScopeAnalyticsRead:
		return []latchkey.Condition{latchkey.WhenAnalyticsRead}
	}
	return []latchkey.Condition{latchkey.WhenKeysRead}
}

// portalURL returns the URL of the portal's page with a code: the configured one, or
// /portal where the caller reached the service.
func (e *Engine) portalURL(who *Caller, code string) (string, error) {
	base := e.portalPage
	if base == "" && who.Origin != "" {
		base = who.Origin + "/portal"
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", errPrecondition.with("The service doesn't know the URL of its portal. " +
			"Configure PortalURL, or start latchkey serve with --portal-url.")
	}
	query := u.Query()
	query.Set("code", code)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// makeRoomForSession ends the sessions of an end user that are too many beside a new one:
// those that have expired, then pending ones, then the oldest.
func (c *Change) makeRoomForSession(ctx context.Context, portal, externalID string) error {
	rows, err := c.tx.PortalSessionsOfUser(ctx, portal, externalID)
	if err != nil {
		return fmt.Errorf("portal sessions: %w", err)
	}
	rank := func(s read.PortalSession) int {
		switch {
		case s.ExpiresAt <= c.now:
			return 0
		case !s.Active:
			return 1
		}
		return 2
	}
	slices.Reverse(rows) // the oldest first
	slices.SortStableFunc(rows, func(a, b read.PortalSession) int {
		return cmp.Compare(rank(a), rank(b))
	})
	if err := c.endSessions(ctx, rows[:max(0, len(rows)+1-maxSessions)], math.MaxInt64); err != nil {
		return err
	}
	return c.count(ctx, quotaPortalSessions, 1)
}

// endSessions deletes sessions of the caller's workspace that expire by that time.
func (c *Change) endSessions(
	ctx context.Context, sessions []read.PortalSession, expiring int64,
) error {
	var ended int64
	for i := range sessions {
		n, err := c.tx.DeletePortalSession(ctx, sessions[i].ID, expiring)
		if err != nil {
			return fmt.Errorf("portal session: %w", err)
		}
		ended += n
	}
	if ended == 0 {
		return nil
	}
	return c.count(ctx, quotaPortalSessions, -ended)
}

// ExchangePortalCode exchanges the code of a session's URL for an access token, once.
// The response also sets it as the cookie portal_session, with which browsers call
// the operations of the end user. A code that is unknown, expired, used or whose
// session has ended returns 401.
func (e *Engine) ExchangePortalCode(
	ctx context.Context, who Caller, r *latchkey.ExchangePortalCodeRequest,
) (latchkey.PortalAccess, error) {
	row, err := e.validSession(ctx, &who, r.Code, codePrefix)
	if err != nil {
		e.refuseCaller(ctx, &who, err)
		return latchkey.PortalAccess{}, err
	}
	session := row.PortalSession
	who.root = e.system(session.WorkspaceID).root
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.PortalAccess, error) {
		access := newSecret(accessPrefix, secretBytes)
		expires := c.now + accessLifetime.Milliseconds()
		n, err := c.tx.ActivatePortalSession(ctx, write.ActivatePortalSessionParams{
			Code: session.Hash, Token: access.hash, ExpiresAt: expires, Now: c.now,
		})
		if err != nil {
			return latchkey.PortalAccess{}, fmt.Errorf("portal session: %w", err)
		}
		if n == 0 { // it was exchanged or revoked meanwhile
			return latchkey.PortalAccess{}, portalSessionNotFound()
		}
		c.audit(portalSessionExchanged, target("portalSession", session.ID, session.ExternalID))
		return latchkey.PortalAccess{
			AccessToken: access.text, ExpiresAt: latchkey.AtMilli(expires),
		}, nil
	})
}

// ListPortalSessions returns the end users who have sessions in a portal, with these
// sessions, in the order of their external ids, page by page. Sessions whose URL
// wasn't opened yet are among them. A search returns the end users whose external
// id begins with the text.
func (e *Engine) ListPortalSessions(
	ctx context.Context, who Caller, r *latchkey.ListPortalSessionsRequest,
) (latchkey.Page[latchkey.PortalUser], error) {
	row, err := e.db.Portal(ctx, who.WorkspaceID(), r.Portal)
	if err != nil {
		return latchkey.Page[latchkey.PortalUser]{}, orNotFound(err, portalNotFound())
	}
	portal := row.Portal
	if err := who.require(ids{Portal: portal.ID}); err != nil {
		return latchkey.Page[latchkey.PortalUser]{}, err
	}
	now := e.now()
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(user string) string { return user },
		func(cursor string, most int64) ([]string, error) {
			return e.db.PortalUsersPage(ctx, read.PortalUsersPageParams{
				PortalID: portal.ID, Epoch: portal.Epoch, Now: now,
				FromExternalID: max(cursor, r.Search), Prefix: r.Search, Most: most,
			})
		},
		func(users []string) ([]latchkey.PortalUser, error) {
			return e.portalUsers(ctx, &portal, now, users)
		})
}

// portalUsers returns consecutive end users of a portal with their sessions.
func (e *Engine) portalUsers(
	ctx context.Context, portal *read.Portal, now int64, users []string,
) ([]latchkey.PortalUser, error) {
	if len(users) == 0 {
		return nil, nil
	}
	rows, err := e.db.PortalSessionsOfUsers(ctx, read.PortalSessionsOfUsersParams{
		PortalID: portal.ID, Epoch: portal.Epoch, Now: now,
		FromExternalID: users[0], ToExternalID: users[len(users)-1],
	})
	if err != nil {
		return nil, fmt.Errorf("portal sessions: %w", err)
	}
	sessions := make(map[string][]latchkey.PortalSession)
	for i := range rows {
		user := rows[i].ExternalID
		sessions[user] = append(sessions[user], portalSessionOf(&rows[i]))
	}
	return each(func(user string) latchkey.PortalUser {
		return latchkey.PortalUser{ExternalID: user, Sessions: sessions[user]}
	})(users)
}

func portalSessionOf(row *read.PortalSession) latchkey.PortalSession {
	s := latchkey.PortalSession{
		ID: row.ID, Status: latchkey.SessionPending, CreatedAt: latchkey.AtMilli(row.CreatedAt),
		ExpiresAt: latchkey.AtMilli(row.ExpiresAt), Scopes: strings.Fields(row.Scopes),
	}
	if row.Active {
		s.Status = latchkey.SessionActive
	}
	return s
}

// RevokePortalSessions ends all sessions of an end user in a portal at once, and
// returns how many there were. URLs that weren't opened yet stop working too. It
// can be repeated, and then ends none.
func (e *Engine) RevokePortalSessions(
	ctx context.Context, who Caller, r *latchkey.RevokePortalSessionsRequest,
) (latchkey.RevokedPortalSessions, error) {
	work := func(ctx context.Context, c *Change) (latchkey.RevokedPortalSessions, error) {
		row, err := c.portal(ctx, r.Portal)
		if err != nil {
			return latchkey.RevokedPortalSessions{}, err
		}
		rows, err := c.tx.PortalSessionsOfUser(ctx, row.Portal.ID, r.ExternalID)
		if err != nil {
			return latchkey.RevokedPortalSessions{}, fmt.Errorf("portal sessions: %w", err)
		}
		live := 0
		for _, s := range rows {
			if s.ExpiresAt > c.now && s.Epoch == row.Portal.Epoch {
				live++
				c.audit(portalSessionRevoked, target("portalSession", s.ID, s.ExternalID),
					target("portal", row.Portal.ID, row.Portal.Slug))
			}
		}
		err = c.endSessions(ctx, rows, math.MaxInt64)
		return latchkey.RevokedPortalSessions{SessionsRevoked: live}, err
	}
	return change(ctx, e, who, work)
}

// authenticateSession finds the portal session of a call, and makes it the caller: with the
// permissions of the root key that created it, which the rules of the operation are about.
func (e *Engine) authenticateSession(ctx context.Context, op *Op, call *Call) error {
	if call.PortalSession == "" {
		return invalid(latchkey.Fault{
			Location: "security", Message: "the portal session is missing",
			Fix: "send the cookie " + latchkey.PortalSessionCookie + " with the access token",
		})
	}
	row, err := e.validSession(ctx, &call.Caller, call.PortalSession, accessPrefix)
	if err != nil {
		return e.public(ctx, call.Caller, "authentication", err)
	}
	if call.root, err = rootKeyOfSession(row); err != nil {
		return e.public(ctx, call.Caller, "authentication", err)
	}
	call.token = call.PortalSession
	if !slices.Contains(strings.Fields(row.PortalSession.Scopes), op.Scope) {
		return errNotPermitted.with("This portal session does not have the scope %s.", op.Scope)
	}
	return nil
}

// validSession returns the session that a code or an access token belongs to, or an error
// that doesn't say why there is none: it has ended, or its end user, API, portal or root key
// was deleted or is disabled.
func (e *Engine) validSession(
	ctx context.Context, who *Caller, text, prefix string,
) (row read.PortalSessionByHashRow, err error) {
	err = e.misses.lookUp(ctx, who, func() (found bool, err error) {
		if !strings.HasPrefix(text, prefix+"_") {
			return false, nil
		}
		row, err = e.db.PortalSessionByHash(ctx, hashText(text))
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return row, err
	}
	s, now := &row.PortalSession, e.now()
	valid := s.ID != "" && s.Active == (prefix == accessPrefix) && s.ExpiresAt > now &&
		row.PortalEnabled && row.WorkspaceEnabled && row.IdentityEnabled && row.RootKeyEnabled &&
		orElse(row.RootKeyExpires, now) >= now
	if !valid {
		return row, portalSessionNotFound()
	}
	return row, nil
}

// rootKeyOfSession returns the caller of a session's requests.
func rootKeyOfSession(row read.PortalSessionByHashRow) (*rootKey, error) {
	s := &row.PortalSession
	var permissions []string
	if err := json.Unmarshal([]byte(row.Permissions), &permissions); err != nil {
		return nil, fmt.Errorf("root key %s: permissions: %w", s.RootKeyID, err)
	}
	allowed, err := effectiveQuotas(row.Quotas)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", s.WorkspaceID, err)
	}
	return &rootKey{
		id: s.ID, name: s.ExternalID, workspace: s.WorkspaceID,
		workspaceHash: hashOf(s.WorkspaceID), grants: rbac.NewGrants(s.WorkspaceID, permissions),
		enabled: true, expires: never, quotas: &allowed,
		requestsPerMinute: orElse(row.RequestsPerMinute, unbounded),
		session: &portalSession{
			externalID: s.ExternalID, identity: row.IdentityID, api: row.APIID,
			keyspace: row.KeyspaceID,
		},
	}, nil
}

// dropPortalSessions deletes sessions that have expired.
func (e *Engine) dropPortalSessions(ctx context.Context) error {
	return deleteAll(func() (int64, error) {
		rows, err := e.db.EndedPortalSessions(ctx, e.now(), chunk)
		if err != nil {
			return 0, err
		}
		of := make(map[string][]read.PortalSession)
		for _, s := range rows {
			of[s.WorkspaceID] = append(of[s.WorkspaceID], s)
		}
		for workspace, sessions := range of {
			err := e.change(ctx, e.system(workspace), func(ctx context.Context, c *Change) error {
				return c.endSessions(ctx, sessions, c.now)
			})
			if err != nil {
				return 0, err
			}
		}
		return int64(len(rows)), nil
	})
}

// portalSessionNotFound is the error of every code and access token that isn't valid.
func portalSessionNotFound() *latchkey.Error {
	return errPortalSessionNotFound.with(
		"This portal session does not exist, or it has ended. Open the portal again.")
}
