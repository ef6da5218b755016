package engine

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// The operations on root keys have two names. These are Unkey's; those in rootkeys.go can
// also name another workspace and change the expiry.

// RootKeysCreateKey creates a root key and returns its secret, which is shown
// only in this response and not stored. The root key works at once.
//
// It can grant only permissions that the caller has or that one of its resource
// names covers; otherwise the operation returns 403. A misspelled permission, or
// a resource name of another workspace, returns 400. So does an expiry in the
// past, and one after the caller's own.
func (e *Engine) RootKeysCreateKey(
	ctx context.Context, who Caller, r *latchkey.RootKeysCreateKeyRequest,
) (latchkey.CreatedKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedKey, error) {
		if err := checkPermissions(who.WorkspaceID(), r.Permissions); err != nil {
			return latchkey.CreatedKey{}, err
		}
		if err := c.requireGrantable(r.Permissions); err != nil {
			return latchkey.CreatedKey{}, err
		}
		expires := nullableTime(r.Expires.Or(latchkey.Time{}))
		if at, expiring := r.Expires.Get(); expiring && at.UnixMilli() <= c.now {
			return latchkey.CreatedKey{}, invalid(latchkey.Fault{
				Location: "/properties/expires", Message: "expires must be in the future",
				Fix: "Send a later time, or leave expires out for a root key that never expires.",
			})
		}
		if c.outlivedBy(expires) {
			return latchkey.CreatedKey{}, invalid(latchkey.Fault{
				Location: "/properties/expires",
				Message:  fmt.Sprintf("expires must be at most %d, the caller's own", who.root.expires),
				Fix:      "A root key that expires can only create root keys that don't outlive it.",
			})
		}
		created, err := c.insertRootKey(ctx, who.WorkspaceID(), r.Name, r.Permissions, expires)
		return latchkey.CreatedKey{KeyID: created.RootKeyID, Key: created.Key}, err
	})
}

// RootKeysListKeys returns one page of the root keys of the workspace that the
// caller can read, in the order of their ids, disabled and expired ones too. It
// has no secrets, because they are not stored.
//
// A root key that can read none gets an empty page. To one that can read only
// some of them, a page can have fewer than limit, or none, although more follow.
func (e *Engine) RootKeysListKeys(
	ctx context.Context, who Caller, r *latchkey.RootKeysListKeysRequest,
) (latchkey.Page[latchkey.ListedRootKey], error) {
	if _, some := who.op.callable(who.root.grants); !some {
		return latchkey.Page[latchkey.ListedRootKey]{Data: []latchkey.ListedRootKey{}}, nil
	}
	page, err := pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.RootKey) string { return row.ID },
		func(cursor string, most int64) ([]read.RootKey, error) {
			return e.db.RootKeysPage(ctx, who.WorkspaceID(), cursor, most)
		}, eachOr(listedRootKeyOf))
	page.Data = slices.DeleteFunc(page.Data, func(k latchkey.ListedRootKey) bool {
		return !who.permits("", ids{RootKey: k.KeyID})
	})
	return page, err
}

func listedRootKeyOf(row read.RootKey) (latchkey.ListedRootKey, error) {
	permissions, err := permissionsOf(row)
	if err != nil {
		return latchkey.ListedRootKey{}, err
	}
	key := latchkey.ListedRootKey{
		KeyID: row.ID, Name: latchkey.Null[string](), Start: row.Start, End: row.Ending,
		Enabled: row.Enabled, CreatedAt: latchkey.AtMilli(row.CreatedAt),
		LastUsedAt: latchkey.AtMilli(row.LastUsedAt), Expires: latchkey.Null[latchkey.Time](),
		Permissions: permissions,
	}
	if row.Name != "" {
		key.Name = latchkey.Set(row.Name)
	}
	if row.Expires.Valid {
		key.Expires = latchkey.Set(latchkey.AtMilli(row.Expires.Int64))
	}
	return key, nil
}

// RootKeysUpdateKey changes a root key. The change applies from its next request
// on.
//
// You can change a root key only if you have all of its permissions, before and
// after; otherwise the operation returns 403. A root key that expires can change
// only those that don't outlive it (400). A root key cannot disable itself (412),
// so one that can undo the change always remains.
func (e *Engine) RootKeysUpdateKey(
	ctx context.Context, who Caller, r *latchkey.RootKeysUpdateKeyRequest,
) error {
	if r.Name.IsZero() && r.Enabled.IsZero() && r.Permissions.IsZero() {
		return invalid(latchkey.Fault{
			Location: "requestBody", Message: "the request changes nothing",
			Fix: "Send at least one of name, enabled and permissions.",
		})
	}
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.shorterLivedRootKey(ctx, r.KeyID)
		if err != nil {
			return err
		}
		_, err = c.changeRootKey(ctx, row, &latchkey.UpdateRootKeyRequest{
			Name: r.Name, Enabled: r.Enabled, Permissions: r.Permissions,
		})
		return err
	})
}

// shorterLivedRootKey returns a root key that the caller can change and that
// doesn't outlive the caller.
func (c *Change) shorterLivedRootKey(ctx context.Context, id string) (read.RootKey, error) {
	row, err := c.manageableRootKey(ctx, id)
	if err != nil {
		return read.RootKey{}, err
	}
	if c.outlivedBy(row.Expires) {
		return read.RootKey{}, invalid(latchkey.Fault{
			Location: "/properties/keyId",
			Message:  "the root key " + id + " outlives the caller, which therefore can't change it",
			Fix:      "Use a root key that expires later.",
		})
	}
	return row, nil
}

// RootKeysRerollKey creates a root key that replaces another one, with its name,
// permissions and expiry, disabled if it is. The old root key works for the
// requested time, but never beyond its own expiry; with 0 it stops at once, and
// with null it keeps its expiry.
//
// You can reroll a root key only if you have all of its permissions; otherwise
// the operation returns 403. A root key that expires can reroll only those that
// don't outlive it (400).
func (e *Engine) RootKeysRerollKey(
	ctx context.Context, who Caller, r *latchkey.RootKeysRerollKeyRequest,
) (latchkey.CreatedKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedKey, error) {
		row, err := c.shorterLivedRootKey(ctx, r.KeyID)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		if !r.Expiration.IsNull() {
			if err := c.requireWhen(latchkey.WhenEnding, ids{RootKey: row.ID}); err != nil {
				return latchkey.CreatedKey{}, err
			}
			if err := c.endRootKey(ctx, row, endOfGrace(row.Expires, c.now, r.Expiration)); err != nil {
				return latchkey.CreatedKey{}, err
			}
		}
		created, err := c.storeRootKey(ctx, write.InsertRootKeyParams{
			WorkspaceID: row.WorkspaceID, Name: row.Name, Permissions: row.Permissions,
			Enabled: row.Enabled, Expires: row.Expires,
		})
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		c.auditIn(row.WorkspaceID, rootKeyRerolled, rootKeyTarget(created.RootKeyID, row.Name),
			rootKeyTarget(row.ID, row.Name))
		return latchkey.CreatedKey{KeyID: created.RootKeyID, Key: created.Key}, nil
	})
}

// endRootKey sets the expiry of a root key that was replaced.
func (c *Change) endRootKey(ctx context.Context, row read.RootKey, end sql.NullInt64) error {
	c.invalidate(row.ID)
	return c.tx.UpdateRootKey(ctx, write.UpdateRootKeyParams{
		ID: row.ID, Name: row.Name, Permissions: row.Permissions, Enabled: row.Enabled,
		Expires: end,
	})
}

// RootKeysDeleteKey deletes a root key, whose next request returns 401. This
// cannot be undone.
//
// You can delete a root key only if you have all of its permissions; otherwise
// the operation returns 403. A root key cannot delete itself (412).
func (e *Engine) RootKeysDeleteKey(
	ctx context.Context, who Caller, r *latchkey.RootKeysDeleteKeyRequest,
) error {
	return e.DeleteRootKey(ctx, who, &latchkey.DeleteRootKeyRequest{RootKeyID: r.KeyID})
}
