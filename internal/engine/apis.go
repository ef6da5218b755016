package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateAPI creates an API without keys. Names need not be unique; later
// requests use the returned id. Keys of the new API have no default prefix and
// are not recoverable until apis.updateApi changes that.
//
// The root key needs api.*.create_api.
func (e *Engine) CreateAPI(
	ctx context.Context, who Caller, r *latchkey.CreateAPIRequest,
) (latchkey.CreatedAPI, error) {
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedAPI, error) {
		if err := c.count(ctx, quotaAPIs, 1); err != nil {
			return latchkey.CreatedAPI{}, err
		}
		id := NewID("api")
		c.audit(apiCreated, target("api", id, r.Name))
		err := c.tx.InsertAPI(ctx, write.InsertAPIParams{
			ID: id, WorkspaceID: who.WorkspaceID(), KeyspaceID: NewID("ks"),
			Name: r.Name, Search: searchText(id, r.Name), CreatedAt: c.now,
		})
		if err != nil {
			return latchkey.CreatedAPI{}, err
		}
		return latchkey.CreatedAPI{APIID: id}, nil
	})
}

// GetAPI returns the id and the name of an API.
//
// The root key needs api.*.read_api, or api.<apiId>.read_api for this API. An
// API that does not exist, is deleted or belongs to another workspace returns
// 404.
func (e *Engine) GetAPI(
	ctx context.Context, who Caller, r *latchkey.GetAPIRequest,
) (latchkey.API, error) {
	if err := e.requireAPI(ctx, &who, r.APIID); err != nil {
		return latchkey.API{}, err
	}
	row, err := e.db.LiveAPI(ctx, r.APIID, who.WorkspaceID())
	if err != nil {
		return latchkey.API{}, orNotFound(err, apiNotFound())
	}
	return latchkey.API{ID: row.ID, Name: row.Name}, nil
}

// DeleteAPI deletes an API. Its keys stop verifying at once and can no longer
// be read or changed. Its portal is deleted too. Identities, roles and permissions
// stay.
//
// The root key needs api.*.delete_api, or api.<apiId>.delete_api for this API.
// An unknown API returns 404. An API with delete protection returns 412; turn
// the protection off with apis.updateApi first.
func (e *Engine) DeleteAPI(ctx context.Context, who Caller, r *latchkey.DeleteAPIRequest) error {
	if err := e.requireAPI(ctx, &who, r.APIID); err != nil {
		return err
	}
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		row, err := c.tx.LiveAPI(ctx, r.APIID, who.WorkspaceID())
		if err != nil {
			return orNotFound(err, apiNotFound())
		}
		if row.DeleteProtection {
			return errProtected.with(
				"This API is protected from deletion. Turn its delete protection off first.",
			)
		}
		c.invalidate(row.ID)
		c.audit(apiDeleted, apiTarget(&row))
		if err := c.count(ctx, quotaAPIs, -1); err != nil {
			return err
		}
		if err := c.deletePortalOf(ctx, row.ID); err != nil {
			return err
		}
		return c.tx.MarkAPIDeleted(ctx, row.ID, c.now)
	})
}

// ListAPIs returns the APIs of the workspace with their settings, in the order
// of their ids, page by page. A search returns the APIs whose id or name
// contains the text, in any letter case.
//
// The root key needs api.*.read_api.
func (e *Engine) ListAPIs(
	ctx context.Context, who Caller, r *latchkey.ListAPIsRequest,
) (latchkey.Page[latchkey.APISettings], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100), func(row read.API) string { return row.ID },
		func(cursor string, most int64) ([]read.API, error) {
			return e.db.APIsPage(ctx, read.APIsPageParams{
				WorkspaceID: who.WorkspaceID(), FromID: cursor,
				Pattern: searchPattern(r.Search), Most: most,
			})
		}, each(settingsOf))
}

// UpdateAPI changes the settings of an API and returns all of them. Absent
// fields keep their values; null restores the default. With delete protection,
// apis.deleteApi returns 412. The prefix and the byte length apply to keys
// created afterwards. With an IP list, the keys of the API verify only for
// these addresses and CIDR blocks, which are stored in their shortest form.
// With strictGrants, every operation that grants permissions or roles to keys
// needs the permissions for that. With selfService, whoever has a key of the API
// can call the named operations with it, with no root key.
//
// The root key needs api.*.update_api, or api.<apiId>.update_api for this API.
// An unknown API returns 404. An entry of the IP list that is neither an
// address nor a CIDR block returns 400.
func (e *Engine) UpdateAPI(
	ctx context.Context, who Caller, r *latchkey.UpdateAPIRequest,
) (latchkey.APISettings, error) {
	if err := e.requireAPI(ctx, &who, r.APIID); err != nil {
		return latchkey.APISettings{}, err
	}
	whitelist, err := networkList(r.IPWhitelist.Or(nil))
	if err != nil {
		return latchkey.APISettings{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.APISettings, error) {
		row, err := c.tx.LiveAPI(ctx, r.APIID, who.WorkspaceID())
		if err != nil {
			return latchkey.APISettings{}, orNotFound(err, apiNotFound())
		}
		before := settingsOf(row)
		applySettings(&row, r, whitelist)
		c.invalidate(row.ID)
		c.auditUpdate(apiUpdated, before, settingsOf(row), apiTarget(&row))
		err = c.tx.UpdateAPI(ctx, write.UpdateAPIParams{
			ID: row.ID, DefaultPrefix: row.DefaultPrefix, DefaultBytes: row.DefaultBytes,
			IPWhitelist:    row.IPWhitelist,
			StoreEncrypted: row.StoreEncrypted, DeleteProtection: row.DeleteProtection,
			StrictGrants: row.StrictGrants, SelfService: row.SelfService,
		})
		if err != nil {
			return latchkey.APISettings{}, err
		}
		return settingsOf(row), nil
	})
}

// applySettings sets the columns that the request names. Whitelist is the
// stored form of the request's IP list, which is used only if the request has
// one.
func applySettings(row *read.API, r *latchkey.UpdateAPIRequest, whitelist string) {
	row.DeleteProtection = r.DeleteProtection.Or(row.DeleteProtection)
	row.StoreEncrypted = r.StoreEncryptedKeys.Or(row.StoreEncrypted)
	row.StrictGrants = r.StrictGrants.Or(row.StrictGrants)
	if !r.DefaultPrefix.IsZero() {
		row.DefaultPrefix = r.DefaultPrefix.Or("")
	}
	if !r.DefaultBytes.IsZero() {
		row.DefaultBytes = int64(r.DefaultBytes.Or(0))
	}
	if !r.IPWhitelist.IsZero() {
		row.IPWhitelist = whitelist
	}
	if !r.SelfService.IsZero() {
		offers := slices.Sorted(slices.Values(r.SelfService.Or(nil)))
		row.SelfService = strings.Join(slices.Compact(offers), " ")
	}
}

func settingsOf(row read.API) latchkey.APISettings {
	s := latchkey.APISettings{
		ID: row.ID, Name: row.Name, KeyspaceID: row.KeyspaceID,
		CreatedAt:        timeOf(row.CreatedAt),
		DeleteProtection: row.DeleteProtection,
		DefaultPrefix:    row.DefaultPrefix, DefaultBytes: int(row.DefaultBytes),
		StoreEncryptedKeys: row.StoreEncrypted, StrictGrants: row.StrictGrants,
	}
	if row.SelfService != "" {
		s.SelfService = strings.Fields(row.SelfService)
	}
	if row.IPWhitelist != "" {
		s.IPWhitelist = strings.Split(row.IPWhitelist, ",")
	}
	return s
}

func apiTarget(row *read.API) latchkey.AuditTarget {
	return target("api", row.ID, row.Name)
}

// requireAPI returns an error unless the caller satisfies the rules of its operation for an
// API. Only if that depends on the keyspace of the API does it read it.
func (e *Engine) requireAPI(ctx context.Context, who *Caller, id string) error {
	if who.permits("", ids{API: id}) {
		return nil
	}
	api, err := e.db.LiveAPI(ctx, id, who.WorkspaceID())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return who.require(ids{API: id, Keyspace: api.KeyspaceID})
}

// apiNotFound is the error for an API that does not exist and for one whose
// existence the caller may not learn.
func apiNotFound() *latchkey.Error {
	return errAPINotFound.with("There is no API with this id in this workspace.")
}
