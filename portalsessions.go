package latchkey

import (
	"context"
	"iter"
)

// The scopes of portal sessions: what the end user can do with his own keys.
const (
	ScopeKeysRead      = "keys:read"      // list keys
	ScopeKeysReroll    = "keys:reroll"    // replace keys
	ScopeAnalyticsRead = "analytics:read" // see verifications
)

// PortalSessionCookie is the name of the cookie that has the access token of a portal
// session.
const PortalSessionCookie = "portal_session"

// The values of PortalSession.Status.
const (
	SessionPending = "pending" // the URL was not opened yet
	SessionActive  = "active"  // the code of the URL was exchanged
)

// CreatePortalSessionRequest asks for a session of an end user in a portal.
type CreatePortalSessionRequest struct {
	// Portal is the id or the slug of the portal.
	Portal string `json:"portal" check:"required,min=3,max=255,pattern=resource"`
	// ExternalID is your name for the end user, as in the identity of his keys.
	ExternalID string `json:"externalId" check:"required,min=1,max=256"`
	// Scopes are what the session can do. All others need keys:read beside them.
	Scopes []string `json:"scopes" check:"required,min=1,max=10,items.enum=keys:read|keys:reroll|analytics:read"`
	// ReturnURL is the http or https URL to which the end user returns from the portal.
	ReturnURL string `json:"returnUrl,omitempty" check:"min=1,max=500"`
}

// CreatedPortalSession is the response to [CreatePortalSessionRequest].
type CreatedPortalSession struct {
	// ID identifies the session. It is not secret.
	ID string `json:"id" check:"required"`
	// URL is where to send the end user. Its code works once, within 15 minutes, for whoever has it.
	URL string `json:"url" check:"required"`
}

// ExchangePortalCodeRequest exchanges the code of a session's URL for an access token.
type ExchangePortalCodeRequest struct {
	// Code is the parameter "code" of the URL.
	Code string `json:"code" check:"required,min=1,max=512"`
}

// PortalAccess is the response to [ExchangePortalCodeRequest].
type PortalAccess struct {
	// AccessToken is the secret of the session, for the cookie portal_session.
	AccessToken string `json:"accessToken" check:"required"`
	// ExpiresAt is when the session ends, in unix milliseconds.
	ExpiresAt Time `json:"expiresAt" check:"required"`
}

// ListPortalSessionsRequest asks for one page of the end users who have sessions in a portal.
type ListPortalSessionsRequest struct {
	// Portal is the id or the slug of the portal.
	Portal string `json:"portal" check:"required,min=3,max=255,pattern=resource"`
	// Limit is the largest number of end users in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=256"`
	// Search keeps the end users whose external id begins with this text, in the same letter case.
	Search string `json:"search,omitempty" check:"max=256"`
}

// PortalUser is an end user with his sessions in a portal.
type PortalUser struct {
	// ExternalID is your name for the end user.
	ExternalID string `json:"externalId" check:"required"`
	// Sessions are his sessions, the newest first.
	Sessions []PortalSession `json:"sessions" check:"required"`
}

// PortalSession is a session of an end user that has not ended.
type PortalSession struct {
	// ID identifies the session. It is not secret.
	ID string `json:"id" check:"required"`
	// Status is active once the code of the URL was exchanged.
	Status string `json:"status" check:"required,enum=pending|active"`
	// CreatedAt is when the session was created, in unix milliseconds.
	CreatedAt Time `json:"createdAt" check:"required"`
	// ExpiresAt is when the session ends, of a pending one its code, in unix milliseconds.
	ExpiresAt Time `json:"expiresAt" check:"required"`
	// Scopes are what the session can do.
	Scopes []string `json:"scopes" check:"required"`
}

// RevokePortalSessionsRequest ends all sessions of an end user in a portal.
type RevokePortalSessionsRequest struct {
	// Portal is the id or the slug of the portal.
	Portal string `json:"portal" check:"required,min=3,max=255,pattern=resource"`
	// ExternalID is your name for the end user.
	ExternalID string `json:"externalId" check:"required,min=1,max=256"`
}

// RevokedPortalSessions is the response to [RevokePortalSessionsRequest].
type RevokedPortalSessions struct {
	// SessionsRevoked is the number of sessions that ended, pending ones among them.
	SessionsRevoked int `json:"sessionsRevoked" check:"required"`
}

// ListPortalKeysRequest asks for one page of the keys of the session's end user.
type ListPortalKeysRequest struct {
	// Limit is the largest number of keys in a page.
	Limit int `json:"limit,omitempty" check:"min=1,max=100,default=100"`
	// Cursor is the cursor of the previous page; leave it out for the first page.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// PortalVerificationsRequest asks for the verifications of the keys of the session's end user
// within a time.
type PortalVerificationsRequest struct {
	// StartTime is the first millisecond, in unix milliseconds.
	StartTime Opt[Time] `json:"startTime,omitzero" check:"required,min=0,max=4102444800000"`
	// EndTime is the first millisecond after the time, in unix milliseconds.
	EndTime Opt[Time] `json:"endTime,omitzero" check:"required,min=0,max=4102444800000"`
	// KeyID is the only key to count; absent for all keys of the end user.
	KeyID string `json:"keyId,omitempty" check:"min=1,max=255"`
}

// PortalVerifications are numbers of verifications by key and interval.
type PortalVerifications struct {
	// BucketMillis is the length of an interval in milliseconds.
	BucketMillis int64 `json:"bucketMillis" check:"required"`
	// Keys are the keys that were verified within the time.
	Keys []PortalKeyVerifications `json:"keys" check:"required"`
}

// PortalKeyVerifications are the verifications of one key.
type PortalKeyVerifications struct {
	// KeyID is the key. It can be deleted since.
	KeyID string `json:"keyId" check:"required"`
	// Data has every interval of the time, the first one first.
	Data []PortalVerificationsPoint `json:"data" check:"required"`
}

// PortalVerificationsPoint counts the verifications of one interval by their result.
type PortalVerificationsPoint struct {
	// Time is the beginning of the interval, in unix milliseconds.
	Time int64 `json:"time" check:"required"`
	// Total counts all verifications.
	Total int64 `json:"total" check:"required"`
	// Valid counts those with the code VALID.
	Valid int64 `json:"valid" check:"required"`
	// RateLimited counts those with the code RATE_LIMITED.
	RateLimited int64 `json:"rateLimited" check:"required"`
	// InsufficientPermissions counts those with the code INSUFFICIENT_PERMISSIONS.
	InsufficientPermissions int64 `json:"insufficientPermissions" check:"required"`
	// Forbidden counts those with the code FORBIDDEN.
	Forbidden int64 `json:"forbidden" check:"required"`
	// Disabled counts those with the code DISABLED.
	Disabled int64 `json:"disabled" check:"required"`
	// Expired counts those with the code EXPIRED.
	Expired int64 `json:"expired" check:"required"`
	// UsageExceeded counts those with the code USAGE_EXCEEDED.
	UsageExceeded int64 `json:"usageExceeded" check:"required"`
}

// CreateSession creates a session of an end user and returns the URL to send him to.
func (s Portals) CreateSession(
	ctx context.Context, r CreatePortalSessionRequest, opts ...CallOption,
) (CreatedPortalSession, error) {
	return call[CreatedPortalSession](ctx, s.c, "portal.createSession", &r, opts)
}

// ExchangeCode exchanges the code of a session's URL for an access token, once.
func (s Portals) ExchangeCode(
	ctx context.Context, r ExchangePortalCodeRequest, opts ...CallOption,
) (PortalAccess, error) {
	return call[PortalAccess](ctx, s.c, "portal.exchangeCode", &r, opts)
}

// ListSessions reads one page of the end users who have sessions in a portal.
func (s Portals) ListSessions(
	ctx context.Context, r ListPortalSessionsRequest, opts ...CallOption,
) (Page[PortalUser], error) {
	return list[PortalUser](ctx, s.c, "portal.listSessions", &r, opts)
}

// AllSessions iterates over the end users who have sessions in a portal, page after page.
func (s Portals) AllSessions(
	ctx context.Context, r ListPortalSessionsRequest, opts ...CallOption,
) iter.Seq2[PortalUser, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[PortalUser], error) {
		next := r
		next.Cursor = cursor
		return s.ListSessions(ctx, next, opts...)
	})
}

// RevokeSessions ends all sessions of an end user in a portal.
func (s Portals) RevokeSessions(
	ctx context.Context, r RevokePortalSessionsRequest, opts ...CallOption,
) (RevokedPortalSessions, error) {
	return call[RevokedPortalSessions](ctx, s.c, "portal.revokeSession", &r, opts)
}

// ListKeys reads one page of the keys of an end user. It needs [WithPortalSession].
func (s Portals) ListKeys(
	ctx context.Context, r ListPortalKeysRequest, opts ...CallOption,
) (Page[Key], error) {
	return list[Key](ctx, s.c, "portal.listKeys", &r, opts)
}

// AllKeys iterates over the keys of an end user, page after page. It needs
// [WithPortalSession].
func (s Portals) AllKeys(
	ctx context.Context, r ListPortalKeysRequest, opts ...CallOption,
) iter.Seq2[Key, error] {
	return all(ctx, r.Cursor, func(cursor string) (Page[Key], error) {
		next := r
		next.Cursor = cursor
		return s.ListKeys(ctx, next, opts...)
	})
}

// RerollKey replaces a key of an end user by a new one with the same settings. It needs
// [WithPortalSession].
func (s Portals) RerollKey(
	ctx context.Context, r RerollKeyRequest, opts ...CallOption,
) (CreatedKey, error) {
	return call[CreatedKey](ctx, s.c, "portal.rerollKey", &r, opts)
}

// GetVerifications counts the verifications of the keys of an end user. It needs
// [WithPortalSession].
func (s Portals) GetVerifications(
	ctx context.Context, r PortalVerificationsRequest, opts ...CallOption,
) (PortalVerifications, error) {
	return call[PortalVerifications](ctx, s.c, "portal.getVerifications", &r, opts)
}
