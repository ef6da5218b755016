package engine

import (
	"context"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// ExportKeys returns the keys of an API with their hashes, page by page, in the form that
// keys.migrateKeys of another service imports. Deleted keys are not exported. Secrets never
// are: the service doesn't have them, and of recoverable keys it exports the hash too.
//
// A service that imports a hash accepts its key, so the root key needs read_key and
// decrypt_key, and every page is recorded in the audit log.
func (e *Engine) ExportKeys(
	ctx context.Context, who Caller, r *latchkey.ExportKeysRequest,
) (latchkey.Page[latchkey.ExportedKey], error) {
	var none latchkey.Page[latchkey.ExportedKey]
	scope, err := e.scopeOf(ctx, &who, r.APIID)
	if err != nil {
		return none, err
	}
	if err := who.require(scope); err != nil {
		return none, err
	}
	page, err := pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.KeysPageRow) string { return row.Key.ID },
		func(cursor string, most int64) ([]read.KeysPageRow, error) {
			return e.db.KeysPage(ctx, scope.API, cursor, most)
		},
		func(rows []read.KeysPageRow) ([]latchkey.ExportedKey, error) {
			return e.exportedKeys(ctx, rows)
		})
	if err != nil || len(page.Data) == 0 {
		return page, err
	}
	return page, e.change(ctx, who, func(_ context.Context, c *Change) error {
		c.audit(keysExported, target("api", scope.API, ""))
		return nil
	})
}

// exportedKeys converts consecutive rows of the keys of an API.
func (e *Engine) exportedKeys(
	ctx context.Context, rows []read.KeysPageRow,
) ([]latchkey.ExportedKey, error) {
	grants, err := e.loadPageGrants(ctx, rows, false)
	if err != nil {
		return nil, err
	}
	return eachOr(func(row read.KeysPageRow) (latchkey.ExportedKey, error) {
		h := grants[row.Key.ID]
		direct, err := e.directSlugs(ctx, row.Key.ID, h)
		if err != nil {
			return latchkey.ExportedKey{}, err
		}
		o := owner{row.ExternalID, row.IdentityMeta, row.IdentityEnabled}
		return exportedOf(keyOf(&row.Key, o, creditsIn(&row), h), &row.Key, direct), nil
	})(rows)
}

// directSlugs returns the permissions that a key holds without its roles.
func (e *Engine) directSlugs(
	ctx context.Context, keyID string, h *storedGrants,
) (slugs []string, err error) {
	if len(h.roles) == 0 || len(h.permissions) == 0 {
		return h.permissions, nil
	}
	rows, err := e.db.DirectPermissions(ctx, keyID)
	for _, row := range rows {
		slugs = append(slugs, row.Slug)
	}
	slices.Sort(slugs)
	return slugs, err
}

// exportedOf returns the exported form of a key.
func exportedOf(k latchkey.Key, row *read.Key, direct []string) latchkey.ExportedKey {
	algorithm := latchkey.MigrateSHA256
	if row.MigrationID != "" {
		algorithm = latchkey.MigratePrefixedAPIKey
	}
	return latchkey.ExportedKey{
		KeyID: k.KeyID, Hash: row.Hash, Algorithm: algorithm, Start: k.Start, Name: k.Name,
		ExternalID: k.ExternalID(), Meta: k.Meta, Roles: k.Roles, Permissions: direct,
		Expires: k.Expires, Enabled: k.Enabled, Credits: k.Credits, Ratelimits: k.Ratelimits,
		CreatedAt: k.CreatedAt, LastUsedAt: k.LastUsedAt,
	}
}
