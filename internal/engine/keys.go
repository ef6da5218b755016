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

// defaultBytes is the default number of random bytes of a key.
const defaultBytes = 16

// CreateKey creates a key and returns its secret, which is shown only in this
// response.
//
// Unless the API has strictGrants, the permission to create keys in it is enough
// to grant a key any permission and role of the workspace; only permissions with
// a * need more.
//
// Identities and permissions that don't exist are created; roles must exist. A
// recoverable key is also stored encrypted, which its API must allow. An API
// that does not exist and an API in which the root key cannot create keys
// return the same 404.
func (e *Engine) CreateKey(
	ctx context.Context, who Caller, r *latchkey.CreateKeyRequest,
) (latchkey.CreatedKey, error) {
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
		s := newSecret(cmp.Or(r.Prefix, api.DefaultPrefix),
			cmp.Or(r.ByteLength, int(api.DefaultBytes), defaultBytes))
		row := read.Key{Hash: s.hash, Start: s.start}
		id, err := c.createKey(ctx, api, row, r, c.rolesExactly)
		if err != nil {
			return latchkey.CreatedKey{}, err
		}
		if r.Recoverable {
			if err := e.seal(ctx, c, api.KeyspaceID, id, s.text); err != nil {
				return latchkey.CreatedKey{}, err
			}
		}
		c.secretOf = id
		return latchkey.CreatedKey{KeyID: id, Key: s.text}, nil
	})
}

// apiForNewKeys returns the API if the caller can create keys in it, and else
// the error of an API that does not exist.
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

// requireEncryptedStorage returns an error unless the caller and the API allow
// recoverable keys.
func (c *Change) requireEncryptedStorage(api read.API) error {
	err := c.requireWhen(latchkey.WhenRecoverable, ids{API: api.ID, Keyspace: api.KeyspaceID})
	if err != nil {
		return err
	}
	if !api.StoreEncrypted {
		return noEncryptedStorage()
	}
	return nil
}

func noEncryptedStorage() *latchkey.Error {
	return errPrecondition.with(
		"The API does not store encrypted keys. To create recoverable keys, turn " +
			"storeEncryptedKeys on with apis.updateApi.",
	)
}

// createKey stores the key of a request with its identity, limits, permissions
// and roles, and returns its id. The row k has what the request doesn't have:
// the hash and the start of the key. RolesFor finds the roles by name.
func (c *Change) createKey(
	ctx context.Context, api read.API, k read.Key, r *latchkey.CreateKeyRequest,
	rolesFor func(context.Context, []string) ([]latchkey.Role, error),
) (string, error) {
	k.ID, k.WorkspaceID, k.APIID, k.CreatedAt = NewID("key"), api.WorkspaceID, api.ID, c.now
	if err := setColumns(&k, r); err != nil {
		return "", err
	}
	credits, err := newCredits(r.Credits, c.now)
	if err != nil {
		return "", err
	}
	if api.StrictGrants && len(r.Permissions) > 0 {
		if err := c.requireWhen(latchkey.WhenStrictPermissions, everything); err != nil {
			return "", err
		}
	}
	if api.StrictGrants && len(r.Roles) > 0 {
		if err := c.requireWhen(latchkey.WhenStrictRoles, everything); err != nil {
			return "", err
		}
	}
	roles, err := rolesFor(ctx, r.Roles)
	if err != nil {
		return "", err
	}
	permissions, err := c.permissionsForKey(ctx, r.Permissions)
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
	if err := c.insertCredits(ctx, &k, credits); err != nil {
		return "", err
	}
	key := keyTarget(&k)
	c.audit(keyCreated, key, target("api", api.ID, api.Name))
	if _, err := c.replaceLimits(ctx, key, nil, r.Ratelimits); err != nil {
		return "", err
	}
	if err := c.connectPermissions(ctx, key, permissions); err != nil {
		return "", err
	}
	if err := c.connectRoles(ctx, key, nil, roles); err != nil {
		return "", err
	}
	granted, _, err := c.tx.CountGranted(ctx, roleIDs(roles))
	if err != nil {
		return "", err
	}
	return k.ID, fewPermissions(int64(len(permissions)) + granted)
}

// keyTarget names a stored key for the audit log.
func keyTarget(k *read.Key) latchkey.AuditTarget { return target("key", k.ID, k.Name) }

// keyNotFound is the error for a key id that does not exist, whatever the
// reason.
func keyNotFound() *latchkey.Error { return errKeyNotFound.with("There is no key with this id.") }

// presentedKeyNotFound is the error for a presented key that the caller cannot
// read.
func presentedKeyNotFound() *latchkey.Error {
	return errKeyNotFound.with("This key does not exist.")
}

// managedKey returns a key of the caller's workspace if the caller can call its
// operation on it. Within a workspace the existence of a key is no secret, so a
// missing permission is a 403 rather than a 404.
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

// onKey returns the ids that a rule about a key binds.
func onKey(row read.LiveKeyRow) ids {
	return ids{API: row.Key.APIID, Keyspace: row.KeyspaceID, Key: row.Key.ID}
}

// GetKey returns a key without its secret. With decrypt, the response has the
// plaintext of a recoverable key, which is recorded in the audit log; this needs the
// permission decrypt_key and an API that stores encrypted keys. With grants, it says
// whether the key has each permission directly, and through which roles.
func (e *Engine) GetKey(
	ctx context.Context, who Caller, r *latchkey.GetKeyRequest,
) (latchkey.Key, error) {
	row, err := e.db.LiveKey(ctx, r.KeyID, who.root.workspace)
	if err != nil {
		return latchkey.Key{}, orNotFound(err, keyNotFound())
	}
	if err := who.require(onKey(row)); err != nil {
		return latchkey.Key{}, err
	}
	if who.Trace != nil {
		who.Trace.API = row.Key.APIID
	}
	if r.Decrypt {
		if err := who.requireDecrypt(onKey(row), row.StoreEncrypted); err != nil {
			return latchkey.Key{}, err
		}
	}
	key, err := e.describe(ctx, &row)
	if err != nil {
		return latchkey.Key{}, err
	}
	if r.Grants {
		if key.Grants, err = e.permissionGrants(ctx, key.KeyID); err != nil {
			return latchkey.Key{}, err
		}
	}
	if r.Decrypt {
		if key.Plaintext, err = e.plaintext(ctx, row.KeyspaceID, &row.Key); err != nil {
			return latchkey.Key{}, err
		}
		if err := e.auditDecryption(ctx, who, row.Key.APIID, key); err != nil {
			return latchkey.Key{}, err
		}
	}
	return key, nil
}

// auditDecryption records which keys of an API the caller gets in plaintext. Without
// the record there is no plaintext.
func (e *Engine) auditDecryption(
	ctx context.Context, who Caller, api string, keys ...latchkey.Key,
) error {
	targets := []latchkey.AuditTarget{target("api", api, "")}
	for i := range keys {
		if keys[i].Plaintext != "" {
			targets = append(targets, target("key", keys[i].KeyID, keys[i].Name))
		}
	}
	if len(targets) == 1 {
		return nil
	}
	return e.change(ctx, who, func(_ context.Context, c *Change) error {
		c.audit(keyDecrypted, targets...)
		return nil
	})
}

// requireDecrypt returns an error unless the caller can read plaintext and the
// API stores it.
func (c *Caller) requireDecrypt(on ids, stored bool) error {
	if err := c.requireWhen(latchkey.WhenDecrypt, on); err != nil {
		return err
	}
	if !stored {
		return errPrecondition.with(
			"The API %s does not store encrypted keys, so there is nothing to decrypt.", on.API,
		)
	}
	return nil
}

// Whoami returns the key with the presented secret. It spends no credits and
// also works for disabled and expired keys. A key that the root key cannot read
// returns the same 404 as one that does not exist.
func (e *Engine) Whoami(
	ctx context.Context, who Caller, r *latchkey.WhoamiRequest,
) (latchkey.Key, error) {
	var presented read.KeyByHashRow
	err := e.misses.lookUp(ctx, &who, func() (found bool, err error) {
		presented, err = e.db.KeyByHash(ctx, hashText(r.Key), who.root.workspace)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return latchkey.Key{}, fmt.Errorf("key: %w", err)
	}
	if presented.Key.ID == "" {
		return latchkey.Key{}, presentedKeyNotFound()
	}
	row, err := e.db.LiveKey(ctx, presented.Key.ID, who.root.workspace)
	if err != nil {
		return latchkey.Key{}, orNotFound(err, presentedKeyNotFound())
	}
	if err := who.require(onKey(row)); err != nil {
		return latchkey.Key{}, err
	}
	return e.describe(ctx, &row)
}

// ListKeys returns the keys of an API in a fixed order, page by page. Disabled
// and expired keys are listed, deleted ones are not. With an external id, only
// the keys of that identity are listed. An API whose keys the root key cannot
// read returns the same 404 as one that does not exist.
func (e *Engine) ListKeys(
	ctx context.Context, who Caller, r *latchkey.ListKeysRequest,
) (latchkey.Page[latchkey.Key], error) {
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
	identity, err := e.listedIdentity(ctx, api.WorkspaceID, r.ExternalID)
	if err != nil {
		return none, err
	}
	page, err := e.pageOfKeys(ctx, api.ID, api.KeyspaceID, identity, r)
	if err != nil {
		return none, err
	}
	if err := e.auditDecryption(ctx, who, api.ID, page.Data...); err != nil {
		return none, err
	}
	return page, nil
}

// pageOfKeys returns a page of the keys of an API, with an external id only those of the
// identity, which is "" if there is none.
func (e *Engine) pageOfKeys(
	ctx context.Context, api, keyspace, identity string, r *latchkey.ListKeysRequest,
) (latchkey.Page[latchkey.Key], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.KeysPageRow) string { return row.Key.ID },
		func(cursor string, most int64) ([]read.KeysPageRow, error) {
			if r.ExternalID != "" {
				return e.keysOfIdentity(ctx, read.KeysOfIdentityPageParams{
					IdentityID: identity, APIID: api, FromID: cursor, Most: most,
				})
			}
			return e.db.KeysPage(ctx, api, cursor, most)
		},
		func(rows []read.KeysPageRow) ([]latchkey.Key, error) {
			return e.listedKeys(ctx, keyspace, rows, r)
		})
}

// listedIdentity returns the id of the identity whose keys are listed, or "" if there
// is none with this external id: then there are no keys either.
func (e *Engine) listedIdentity(
	ctx context.Context, workspace, externalID string,
) (string, error) {
	if externalID == "" {
		return "", nil
	}
	identity, err := e.db.IdentityByExternalID(ctx, workspace, externalID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("identity: %w", err)
	}
	return identity.ID, nil
}

// keysOfIdentity reads keys of one identity in an API.
func (e *Engine) keysOfIdentity(
	ctx context.Context, which read.KeysOfIdentityPageParams,
) ([]read.KeysPageRow, error) {
	found, err := e.db.KeysOfIdentityPage(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	rows := make([]read.KeysPageRow, len(found))
	for i, row := range found {
		rows[i] = read.KeysPageRow(row)
	}
	return rows, nil
}

// listedKeys converts consecutive rows of a list of keys.
func (e *Engine) listedKeys(
	ctx context.Context, keyspace string, rows []read.KeysPageRow, r *latchkey.ListKeysRequest,
) ([]latchkey.Key, error) {
	grants, err := e.loadPageGrants(ctx, rows, r.ExternalID != "")
	if err != nil {
		return nil, err
	}
	return eachOr(func(row read.KeysPageRow) (latchkey.Key, error) {
		o := owner{row.ExternalID, row.IdentityMeta, row.IdentityEnabled}
		key := keyOf(&row.Key, o, creditsIn(&row), grants[row.Key.ID])
		if !r.Decrypt {
			return key, nil
		}
		var err error
		if key.Plaintext, err = e.plaintext(ctx, keyspace, &row.Key); err != nil {
			return latchkey.Key{}, err
		}
		return key, nil
	})(rows)
}

// describe returns a stored key with its grants.
func (e *Engine) describe(ctx context.Context, row *read.LiveKeyRow) (latchkey.Key, error) {
	h, err := e.loadGrants(ctx, &row.Key)
	if err != nil {
		return latchkey.Key{}, err
	}
	o := owner{row.ExternalID, row.IdentityMeta, row.IdentityEnabled}
	return keyOf(&row.Key, o, creditsOfKey(row), h), nil
}

// UpdateKey changes a key. Absent fields keep their values, null removes a
// value, and lists are replaced. Either all of it is applied or nothing, and
// the next verification uses it. Only permissions that don't exist, if they are more
// than 50, are created before, and stay if the request then fails.
//
// Unless the API has strictGrants, the permission to update a key is enough to
// grant it any permission and role of the workspace; only permissions with a *
// need more.
func (e *Engine) UpdateKey(ctx context.Context, who Caller, r *latchkey.UpdateKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return err
		}
		k, key := &row.Key, keyTarget(&row.Key)
		slugs, setsPermissions := r.Permissions.Get()
		names, setsRoles := r.Roles.Get()
		if setsPermissions {
			if err := c.requireStrict(row, latchkey.WhenStrictPermissions); err != nil {
				return err
			}
		}
		if setsRoles {
			if err := c.requireStrict(row, latchkey.WhenStrictRoles); err != nil {
				return err
			}
		}
		roles, err := c.rolesExactly(ctx, names)
		if err != nil {
			return err
		}
		permissions, err := c.permissionsForKey(ctx, slugs)
		if err != nil {
			return err
		}
		c.invalidate(k.ID)
		before, record := auditedKeyOf(&row), len(c.audits)
		c.audit(keyUpdated, key, target("api", k.APIID, ""))
		if err := c.updateColumns(ctx, k, r); err != nil {
			return err
		}
		if credits, ok := r.Credits.Get(); ok || r.Credits.IsNull() {
			c.invalidate(balanceID(k))
			if err := c.updateCredits(ctx, &row, credits, r.Credits.IsNull()); err != nil {
				return err
			}
		}
		c.audits[record].Changes = changesText(before, auditedKeyOf(&row))
		if limits, ok := r.Ratelimits.Get(); ok || r.Ratelimits.IsNull() {
			if _, err := c.setLimits(ctx, key, limits); err != nil {
				return err
			}
		}
		if setsPermissions {
			held, err := c.directPermissions(ctx, k.ID)
			if err != nil {
				return err
			}
			if err := c.replacePermissions(ctx, key, held, permissions); err != nil {
				return err
			}
		}
		if setsRoles {
			if err := c.replaceRoles(ctx, key, roles); err != nil {
				return err
			}
		}
		return c.requireFewPermissions(ctx, k.ID, len(slugs)+len(names))
	})
}

// DeleteKey deletes a key, which fails from its next verification on. The
// record of the key stays in the database for 90 days, of which keys.restoreKey can undo
// the deletion for 30; with permanent it is removed at once, with all its links. The identity,
// the roles and the permissions always stay.
func (e *Engine) DeleteKey(ctx context.Context, who Caller, r *latchkey.DeleteKeyRequest) error {
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.managedKey(ctx, r.KeyID)
		if err != nil {
			return err
		}
		return c.removeKey(ctx, &row.Key, r.Permanent)
	})
}

// removeKey deletes a key that is not deleted, with all that a change has beside it.
func (c *Change) removeKey(ctx context.Context, k *read.Key, permanent bool) error {
	c.invalidate(k.ID)
	c.audit(keyDeleted, keyTarget(k), target("api", k.APIID, ""))
	if err := c.count(ctx, quotaKeys, -1); err != nil {
		return err
	}
	return c.deleteKey(ctx, k, permanent)
}

// deleteKey marks a key as deleted or, if permanent, deletes it with its rows in
// other tables. Its plaintext and saved responses with its secret are deleted in
// either case. The balance and the budgets of its family stay until the row of its last key
// is deleted; the balance isn't refilled while all of them are marked.
func (c *Change) deleteKey(ctx context.Context, k *read.Key, permanent bool) error {
	if err := c.tx.DropAnswersAbout(ctx, k.ID); err != nil {
		return err
	}
	if err := c.tx.DeleteSealedKey(ctx, k.ID); err != nil {
		return err
	}
	if err := c.releaseBalance(ctx, k, permanent); err != nil {
		return err
	}
	if permanent {
		return c.eraseKey(ctx, k)
	}
	return c.tx.MarkKeyDeleted(ctx, k.ID, c.now)
}

// releaseBalance ends the use of a balance by a key: nothing changes if another key has it,
// its refills stop if all other keys are marked as deleted, and it is deleted with the row of
// the last one, whose budgets are detached.
func (c *Change) releaseBalance(ctx context.Context, k *read.Key, permanent bool) error {
	last, err := isLast(ctx, k, c.tx.OtherOfFamily)
	if err != nil || !last {
		return err
	}
	if permanent {
		only, err := isLast(ctx, k, c.tx.RowOfFamily)
		if err != nil {
			return err
		}
		if only {
			if err := c.tx.DetachOwner(ctx, balanceID(k)); err != nil {
				return err
			}
			return c.tx.DeleteBalance(ctx, balanceID(k))
		}
	}
	return c.tx.PauseRefills(ctx, balanceID(k))
}

// isLast reports whether a query finds no other key of a key's family.
func isLast(
	ctx context.Context, k *read.Key,
	other func(ctx context.Context, family, id string) (string, error),
) (bool, error) {
	if k.Family == "" {
		return true, nil
	}
	_, err := other(ctx, k.Family, k.ID)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// eraseKey deletes a key and its rows in other tables.
func (c *Change) eraseKey(ctx context.Context, k *read.Key) error {
	if c.adopts { // else the old service, which still has it, would bring it back
		if err := c.tx.BuryAdoption(ctx, k.WorkspaceID, k.Hash, c.now); err != nil {
			return err
		}
	}
	for _, del := range []func(context.Context, string) error{
		c.tx.DeleteKeyPermissions, c.tx.DeleteKeyRoles, c.tx.DeleteKeyLimits,
	} {
		if err := del(ctx, k.ID); err != nil {
			return err
		}
	}
	return c.tx.DeleteKey(ctx, k.ID)
}
