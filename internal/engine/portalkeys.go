package engine

import (
	"context"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// maxPortalKeys is how many keys an end user can have in an API and still replace one: each
// replacement leaves the old key behind.
const maxPortalKeys = 1000

// ListPortalKeys returns the keys of the session's end user in the portal's keyspace,
// page by page, without their secrets. An end user without an identity has none.
func (e *Engine) ListPortalKeys(
	ctx context.Context, who Caller, r *latchkey.ListPortalKeysRequest,
) (latchkey.Page[latchkey.Key], error) {
	s := who.session()
	if err := who.require(ids{API: s.api, Keyspace: s.keyspace}); err != nil {
		return latchkey.Page[latchkey.Key]{}, err
	}
	of := &latchkey.ListKeysRequest{Limit: r.Limit, Cursor: r.Cursor, ExternalID: s.externalID}
	return e.pageOfKeys(ctx, s.api, s.keyspace, s.identity, of)
}

// RerollPortalKey creates a key that replaces a key of the session's end user, as
// keys.rerollKey does. A key that isn't his, or not in the portal's keyspace, returns
// the 404 of one that doesn't exist. An end user with 1,000 keys gets 403.
func (e *Engine) RerollPortalKey(
	ctx context.Context, who Caller, r *latchkey.RerollKeyRequest,
) (latchkey.CreatedKey, error) {
	s := who.session()
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedKey, error) {
		if err := c.require(ids{API: s.api, Keyspace: s.keyspace}); err != nil {
			return latchkey.CreatedKey{}, err
		}
		row, err := c.tx.LiveKey(ctx, r.KeyID, who.WorkspaceID())
		if err != nil {
			return latchkey.CreatedKey{}, orNotFound(err, keyNotFound())
		}
		if !s.owns(&row.Key) {
			return latchkey.CreatedKey{}, keyNotFound()
		}
		if err := c.requireFewKeys(ctx, s); err != nil {
			return latchkey.CreatedKey{}, err
		}
		return e.rerollKey(ctx, c, row, r.Expiration)
	})
}

// owns reports whether a key is one of those that the session is about.
func (s *portalSession) owns(k *read.Key) bool {
	return s.identity != "" && k.IdentityID == s.identity && k.APIID == s.api
}

// requireFewKeys returns an error if the end user of a session has too many keys to get
// another one.
func (c *Change) requireFewKeys(ctx context.Context, s *portalSession) error {
	n, err := c.tx.CountKeysOfIdentity(ctx, s.identity, s.api, maxPortalKeys)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if n < maxPortalKeys {
		return nil
	}
	return errQuotaExceeded.with("You have %d keys already. Ask for old ones to be deleted first.", n)
}
