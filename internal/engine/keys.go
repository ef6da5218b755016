package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// defaultBytes is how many random bytes a key has where nobody says.
const defaultBytes = 16

// CreateKey makes a new key and returns its secret, which is shown this once.
//
// The identity and the permissions it names are made if they don't exist; its
// roles must exist. A recoverable key is also kept encrypted; its API must
// permit that. An API that does not exist and one that the root key may not
// make keys in answer the same 404.
func (e *Engine) CreateKey(ctx context.Context, who Caller, r *latchkey.CreateKeyRequest) (latchkey.CreatedKey, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedKey, error) {
		api, err := c.apiForNewKeys(ctx, r.APIID)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		if r.Recoverable {
			if err := c.requireEncryptedStorage(api); err != nil {
				return latchkey.CreatedKey{}, err
			}
		}
		s := newSecret(cmp.Or(r.Prefix, api.DefaultPrefix), cmp.Or(r.ByteLength, int(api.DefaultBytes), defaultBytes))
		id, err := c.createKey(ctx, api, read.Key{Hash: s.hash, Start: s.start}, r, c.rolesNamed)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		if r.Recoverable {
			if err := e.seal(ctx, c, api.KeyspaceID, id, s.text); err != nil {
				return latchkey.CreatedKey{}, err
			}
		}
		return latchkey.CreatedKey{KeyID: id, Key: s.text}, nil
	})
}

// apiForNewKeys returns the API if the caller may make keys in it. Otherwise
// the answer is that of an API that does not exist.
func (c *Change) apiForNewKeys(ctx context.Context, id string) (read.API, error) {
	api, err := c.tx.LiveAPI(ctx, id, c.who.root.workspace)
	if err != nil {
		return read.API{}, orNotFound(err, apiNotFound())
	}
	if err := c.require(ids{API: api.ID, Keyspace: api.KeyspaceID}); err != nil {
		return read.API{}, err
	}
	return api, nil
}

// mayStore refuses to keep a key encrypted where caller or API don't permit it.
func (c *Change) requireEncryptedStorage(api read.API) error {
	err := c.requireWhen(latchkey.WhenRecoverable, ids{API: api.ID, Keyspace: api.KeyspaceID})
	if err != nil {
		return err
	}
	if !api.StoreEncrypted {
		return errPrecondition.with("The API does not store encrypted keys. Switch storeEncryptedKeys on with apis.updateApi to make recoverable keys.")
	}
	return nil
}

// createKey stores the key that a request asks for, with all that belongs to it,
// and returns its id. The row k has what the request doesn't say: the hash that
// the key is found by, and its start. RolesFor finds the roles that it names.
func (c *Change) createKey(
	ctx context.Context, api read.API, k read.Key, r *latchkey.CreateKeyRequest,
	rolesFor func(context.Context, []string) ([]latchkey.Role, error),
) (string, error) {
	k.ID, k.WorkspaceID, k.APIID, k.CreatedAt = NewID("key"), api.WorkspaceID, api.ID, c.now
	if err := setColumns(&k, r, c.now); err != nil {
		return "", err
	}
	roles, err := rolesFor(ctx, r.Roles)
	if err != nil {
		return "", err
	}
	permissions, err := c.permissionsFor(ctx, r.Permissions)
	if err != nil {
		return "", err
	}
	if r.ExternalID != "" {
		if k.IdentityID, err = c.identityFor(ctx, r.ExternalID); err != nil {
			return "", err
		}
	}
	if err := c.insertKey(ctx, k); err != nil {
		return "", err
	}
	key := keyTarget(&k)
	c.audit(keyCreated, key, target("api", api.ID, api.Name))
	if len(r.Ratelimits) > 0 {
		if _, err := c.setLimits(ctx, key, r.Ratelimits); err != nil {
			return "", err
		}
	}
	if err := c.connectPermissions(ctx, key, permissions); err != nil {
		return "", err
	}
	if err := c.connectRoles(ctx, key, roles); err != nil {
		return "", err
	}
	return k.ID, nil
}

// keyTarget names a stored key for the audit log.
func keyTarget(k *read.Key) latchkey.AuditTarget { return target("key", k.ID, k.Name) }

// noKey is the one answer for keys that don't exist, whatever the reason.
func keyNotFound() *latchkey.Error { return errKeyNotFound.with("There is no key with this id.") }

// noSuchKey is the one answer for a presented key that the caller can't read.
func presentedKeyNotFound() *latchkey.Error { return errKeyNotFound.with("There is no such key.") }

// managedKey returns a key of the caller's workspace on which the caller may do
// what it calls. Inside a workspace it is no secret that a key exists, so what is
// missing is a permission (403), not the key.
func (c *Change) managedKey(ctx context.Context, id string) (read.LiveKeyRow, error) {
	row, err := c.tx.LiveKey(ctx, id, c.who.root.workspace)
	if err != nil {
		return read.LiveKeyRow{}, orNotFound(err, keyNotFound())
	}
	if err := c.require(onKey(row)); err != nil {
		return read.LiveKeyRow{}, err
	}
	return row, nil
}

// onKey are the ids that a rule about a key binds.
func onKey(row read.LiveKeyRow) ids {
	return ids{API: row.Key.APIID, Keyspace: row.KeyspaceID, Key: row.Key.ID}
}

// GetKey returns what is known about a key. With decrypt, a recoverable key
// comes with its plaintext; that takes the permission decrypt_key and an API
// that stores encrypted keys.
func (e *Engine) GetKey(ctx context.Context, who Caller, r *latchkey.GetKeyRequest) (latchkey.Key, error) {
	row, err := e.db.LiveKey(ctx, r.KeyID, who.root.workspace)
	if err != nil {
		return latchkey.Key{}, orNotFound(err, keyNotFound())
	}
	if err := who.require(onKey(row)); err != nil {
		return latchkey.Key{}, err
	}
	if r.Decrypt {
		if err := who.requireDecrypt(onKey(row), row.StoreEncrypted); err != nil {
			return latchkey.Key{}, err
		}
	}
	key, err := e.describe(ctx, &row.Key, row.ExternalID, row.IdentityMeta)
	if err != nil {
		return latchkey.Key{}, err
	}
	if r.Decrypt {
		if key.Plaintext, err = e.plaintext(ctx, row.KeyspaceID, &row.Key); err != nil {
			return latchkey.Key{}, err
		}
	}
	return key, nil
}

// mayDecrypt refuses plaintext to those without the permission, and where no
// plaintext is kept.
func (c *Caller) requireDecrypt(on ids, stored bool) error {
	if err := c.requireWhen(latchkey.WhenDecrypt, on); err != nil {
		return err
	}
	if !stored {
		return errPrecondition.with("The API %s does not store encrypted keys, so there is nothing to decrypt.", on.API)
	}
	return nil
}

// Whoami returns what is known about the key that is presented. It spends
// nothing and works for disabled and expired keys too. A key that the root key
// may not read answers like one that does not exist.
func (e *Engine) Whoami(ctx context.Context, who Caller, r *latchkey.WhoamiRequest) (latchkey.Key, error) {
	found, err := e.db.KeyByHash(ctx, hashText(r.Key))
	if errors.Is(err, store.ErrNotFound) {
		return latchkey.Key{}, presentedKeyNotFound()
	}
	if err != nil {
		return latchkey.Key{}, fmt.Errorf("key: %w", err)
	}
	row, err := e.db.LiveKey(ctx, found.Key.ID, who.root.workspace)
	if err != nil {
		return latchkey.Key{}, orNotFound(err, presentedKeyNotFound())
	}
	if err := who.require(onKey(row)); err != nil {
		return latchkey.Key{}, err
	}
	return e.describe(ctx, &row.Key, row.ExternalID, row.IdentityMeta)
}

// ListKeys returns the keys of an API in a fixed order, page by page: disabled
// and expired ones too, deleted ones not. With an external id, only the keys of
// that identity. An API that the root key may not read, keys and all, answers
// like one that does not exist.
func (e *Engine) ListKeys(ctx context.Context, who Caller, r *latchkey.ListKeysRequest) (latchkey.Page[latchkey.Key], error) {
	var none latchkey.Page[latchkey.Key]
	api, err := e.db.LiveAPI(ctx, r.APIID, who.root.workspace)
	if err != nil {
		return none, orNotFound(err, apiNotFound())
	}
	on := ids{API: api.ID, Keyspace: api.KeyspaceID}
	if err := who.require(on); err != nil {
		return none, err
	}
	if r.Decrypt {
		if err := who.requireDecrypt(on, api.StoreEncrypted); err != nil {
			return none, err
		}
	}
	rows, err := e.keysPage(ctx, api, r)
	if err != nil {
		return none, fmt.Errorf("keys: %w", err)
	}
	held, err := e.loadPageGrants(ctx, rows, r.ExternalID != "")
	if err != nil {
		return none, err
	}
	return tryPageOf(rows, pageSize(r.Limit, 100),
		func(row read.KeysPageRow) string { return row.Key.ID },
		func(row read.KeysPageRow) (latchkey.Key, error) {
			key := keyOf(&row.Key, row.ExternalID, row.IdentityMeta, held[row.Key.ID])
			if !r.Decrypt {
				return key, nil
			}
			var err error
			if key.Plaintext, err = e.plaintext(ctx, api.KeyspaceID, &row.Key); err != nil {
				return latchkey.Key{}, err
			}
			return key, nil
		})
}

// keysPage reads the rows of a page of keys and one more, of the whole API or
// of one identity. An identity that doesn't exist has no keys.
func (e *Engine) keysPage(ctx context.Context, api read.API, r *latchkey.ListKeysRequest) ([]read.KeysPageRow, error) {
	most := int64(pageSize(r.Limit, 100)) + 1
	if r.ExternalID == "" {
		return e.db.KeysPage(ctx, api.ID, r.Cursor, most)
	}
	identity, err := e.db.IdentityByExternalID(ctx, api.WorkspaceID, r.ExternalID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := e.db.KeysOfIdentityPage(ctx, read.KeysOfIdentityPageParams{
		IdentityID: identity.ID, APIID: api.ID, FromID: r.Cursor, Most: most,
	})
	if err != nil {
		return nil, err
	}
	rows := make([]read.KeysPageRow, len(found))
	for i, row := range found {
		rows[i] = read.KeysPageRow(row)
	}
	return rows, nil
}

// describe shows a stored key with all that it holds.
func (e *Engine) describe(ctx context.Context, k *read.Key, externalID, identityMeta string) (latchkey.Key, error) {
	h, err := e.loadGrants(ctx, k)
	if err != nil {
		return latchkey.Key{}, err
	}
	return keyOf(k, externalID, identityMeta, h), nil
}

// UpdateKey changes a key. Absent fields stay as they are, null removes what
// can be removed; lists replace what was there. All of it happens or nothing
// does, and the next verification sees it.
func (e *Engine) UpdateKey(ctx context.Context, who Caller, r *latchkey.UpdateKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return err
		}
		k, key := &row.Key, keyTarget(&row.Key)
		c.invalidate(k.ID)
		c.audit(keyUpdated, key, target("api", k.APIID, ""))
		if err := c.updateColumns(ctx, *k, r); err != nil {
			return err
		}
		if credits, ok := r.Credits.Get(); ok || r.Credits.IsNull() {
			if err := c.updateCredits(ctx, k, credits, r.Credits.IsNull()); err != nil {
				return err
			}
		}
		if limits, ok := r.Ratelimits.Get(); ok {
			if _, err := c.setLimits(ctx, key, limits); err != nil {
				return err
			}
		}
		if slugs, ok := r.Permissions.Get(); ok {
			if err := c.replacePermissions(ctx, key, slugs); err != nil {
				return err
			}
		}
		if names, ok := r.Roles.Get(); ok {
			return c.replaceRoles(ctx, key, names)
		}
		return nil
	})
}

// DeleteKey deletes a key; it stops verifying with the next request. Without
// permanent its record stays behind, unreachable; with permanent it and all its
// links are removed. Identity, roles and permissions stay either way.
func (e *Engine) DeleteKey(ctx context.Context, who Caller, r *latchkey.DeleteKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return err
		}
		c.invalidate(r.KeyID)
		c.audit(keyDeleted, keyTarget(&row.Key), target("api", row.Key.APIID, ""))
		if !r.Permanent {
			return c.tx.MarkKeyDeleted(ctx, r.KeyID, c.now)
		}
		return c.deleteKey(ctx, r.KeyID)
	})
}

// deleteKey deletes the row of a key and all that other tables have of it.
func (c *Change) deleteKey(ctx context.Context, id string) error {
	for _, del := range []func(context.Context, string) error{
		c.tx.DeleteKeyPermissions, c.tx.DeleteKeyRoles, c.tx.DeleteKeyLimits, c.tx.DeleteSealedKey, c.tx.DeleteKey,
	} {
		if err := del(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
