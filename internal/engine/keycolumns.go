package engine

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// This file maps the fields of requests to the columns of the table keys. A field
// that is missing here fails TestCreateRerollMigrateAndUpdateSetEveryField; a
// column that InsertKey doesn't name doesn't compile.

// setColumns sets the columns of a new key that depend on the request alone.
func setColumns(k *read.Key, r *latchkey.CreateKeyRequest) error {
	meta, err := metaText(r.Meta)
	if err != nil {
		return err
	}
	k.Name, k.Meta, k.Enabled, k.Expires = r.Name, meta, r.Enabled.Or(true), nullableTime(r.Expires)
	return nil
}

// creationOf returns the request that creates a migrated key.
func creationOf(k *latchkey.MigrateKey) *latchkey.CreateKeyRequest {
	return &latchkey.CreateKeyRequest{
		Name: k.Name, ExternalID: k.ExternalID, Meta: k.Meta, Roles: k.Roles,
		Permissions: k.Permissions,
		Expires:     k.Expires, Enabled: k.Enabled, Credits: k.Credits, Ratelimits: k.Ratelimits,
	}
}

// insertKey inserts the row of a new key with all its columns.
func (c *Change) insertKey(ctx context.Context, k read.Key) error {
	if err := c.count(ctx, quotaKeys, 1); err != nil {
		return err
	}
	if err := c.tx.InsertKey(ctx, write.InsertKeyParams(k)); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	c.invalidate(k.Hash) // it may be cached as unknown
	return nil
}

// auditedKey is a key in the audit records of updates. Records of their own are about its
// limits, permissions and roles.
type auditedKey struct {
	Name     string            `json:"name,omitempty"`
	Enabled  bool              `json:"enabled"`
	Expires  latchkey.Time     `json:"expires,omitzero"`
	Identity string            `json:"identity,omitempty"` // its id
	Meta     string            `json:"meta,omitempty"`
	Credits  *latchkey.Credits `json:"credits,omitempty"`
}

func auditedKeyOf(row *read.LiveKeyRow) auditedKey {
	k := &row.Key
	return auditedKey{
		Name: k.Name, Enabled: k.Enabled, Expires: timeOf(orElse(k.Expires, 0)),
		Identity: k.IdentityID, Meta: k.Meta, Credits: creditsOfKey(row).api(),
	}
}

// updateColumns changes the columns that a request names, in the store and in k.
func (c *Change) updateColumns(
	ctx context.Context, k *read.Key, r *latchkey.UpdateKeyRequest,
) error {
	k.Enabled = r.Enabled.Or(k.Enabled)
	if !r.Name.IsZero() {
		k.Name = r.Name.Or("")
	}
	if at, ok := r.Expires.Get(); ok || r.Expires.IsNull() {
		k.Expires = sql.NullInt64{Int64: at.UnixMilli(), Valid: ok}
	}
	var err error
	if !r.Meta.IsZero() {
		if k.Meta, err = metaText(r.Meta.Or("")); err != nil {
			return err
		}
	}
	if externalID, ok := r.ExternalID.Get(); ok {
		if k.IdentityID, err = c.identityFor(ctx, externalID); err != nil {
			return err
		}
	} else if r.ExternalID.IsNull() {
		k.IdentityID = ""
	}
	return c.tx.UpdateKey(ctx, write.UpdateKeyParams{
		ID: k.ID, Name: k.Name, IdentityID: k.IdentityID, Meta: k.Meta, Expires: k.Expires,
		Enabled: k.Enabled, UpdatedAt: c.now,
	})
}

// keyOf returns a stored key with its grants.
func keyOf(k *read.Key, o owner, credits storedCredits, h *storedGrants) latchkey.Key {
	return latchkey.Key{
		KeyID: k.ID, Start: k.Start, Enabled: k.Enabled, Name: k.Name, Meta: latchkey.Meta(k.Meta),
		CreatedAt: latchkey.AtMilli(k.CreatedAt), UpdatedAt: timeOf(k.UpdatedAt),
		LastUsedAt: timeOf(k.LastUsedAt), Expires: timeOf(orElse(k.Expires, 0)),
		Permissions: h.permissions, Roles: h.roles, Credits: credits.api(), Ratelimits: h.limits,
		Identity: identityOf(k, o, h.shared),
	}
}
