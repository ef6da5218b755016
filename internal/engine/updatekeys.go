package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// UpdateKeys changes many keys alike: those with the ids of the request, or those that
// satisfy all fields of its filter, in all APIs or in one. It enables or disables them,
// sets when they expire, or gives them another owner; the next verification of each key
// uses it. Every changed key has its own record in the audit log. With dryRun, nothing is
// changed and the response has the number of keys that would be.
//
// With a filter, a request changes at most 100 keys and looks at no more than 2,000:
// repeat it with the cursor until hasMore is false. Keys are changed in several
// transactions. If the response is an error, some may have been changed, and a repeated
// request changes the rest.
//
// The root key needs update_key for each key of keyIds, or update_key and read_key for all
// keys of the filter's API or, without one, of all APIs.
func (e *Engine) UpdateKeys(
	ctx context.Context, who Caller, r *latchkey.UpdateKeysRequest,
) (latchkey.UpdatedKeys, error) {
	var none latchkey.UpdatedKeys
	if err := checkUpdateKeys(r); err != nil {
		return none, err
	}
	found, err := e.keysToUpdate(ctx, &who, r)
	if err != nil {
		return none, err
	}
	if r.DryRun {
		return found.response(len(found.IDs)), nil
	}
	return e.updateFound(ctx, who, r, found)
}

// keysToUpdate are the keys that one request changes.
type keysToUpdate struct {
	IDs     []string `json:"ids"`
	Cursor  string   `json:"cursor,omitempty"` // of the next request; "" for none
	Updated int      `json:"updated"`          // of the first part

	scope *ids // of the filter; nil without one
}

func (k *keysToUpdate) response(updated int) latchkey.UpdatedKeys {
	return latchkey.UpdatedKeys{Updated: updated, HasMore: k.Cursor != "", Cursor: k.Cursor}
}

// checkUpdateKeys returns an error unless a request selects keys in one way and changes
// something.
func checkUpdateKeys(r *latchkey.UpdateKeysRequest) error {
	fault := func(field, message, fix string) error {
		return invalid(latchkey.Fault{Location: "/properties" + field, Message: message, Fix: fix})
	}
	switch {
	case (len(r.KeyIDs) > 0) == (r.Filter != nil):
		return fault("/filter", "the request must have either keyIds or a filter", "Send one of them.")
	case r.Filter != nil && *r.Filter == latchkey.KeyFilter{}:
		return fault("/filter", "filter must have a field",
			"To change all keys, send the apiId of one API after the other.")
	case r.Filter == nil && r.Cursor != "":
		return fault("/cursor", "cursor must be the cursor of a response to the same request",
			"A request with keyIds has none.")
	case r.Enabled.IsZero() && r.Expires.IsZero() && r.ExternalID.IsZero():
		return fault("", "the request must change something",
			"Send enabled, expires or externalId.")
	}
	return nil
}

// maxUpdated is how many keys one request changes.
const maxUpdated = 100

// keysToUpdate returns the keys that the request selects, if the caller can change them.
func (e *Engine) keysToUpdate(
	ctx context.Context, who *Caller, r *latchkey.UpdateKeysRequest,
) (*keysToUpdate, error) {
	if r.Filter == nil {
		return e.namedKeys(ctx, who, r.KeyIDs)
	}
	f := r.Filter
	scope, err := e.scopeOf(ctx, who, f.APIID)
	if err != nil {
		return nil, err
	}
	if err := who.require(scope); err != nil {
		return nil, err
	}
	if err := who.requireWhen(latchkey.WhenFilter, scope); err != nil {
		return nil, err
	}
	found := &keysToUpdate{scope: &scope}
	search, err := e.searchFor(ctx, who.WorkspaceID(), f)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return found, nil
	case err != nil:
		return nil, err
	}
	if search.Order = orderOf("", f); search.Order == store.KeysByExpires && !r.Expires.IsZero() {
		search.Order = store.KeysByID // in which changed keys keep their places
	}
	if search.From, err = parsePlace(search.Order, r.Cursor); err != nil {
		return nil, err
	}
	places, next, err := e.matching(ctx, search, maxUpdated)
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		found.IDs = append(found.IDs, place.ID)
	}
	if next != nil {
		found.Cursor = cursorAt(search.Order, next)
	}
	return found, nil
}

// namedKeys returns the keys with these ids.
func (e *Engine) namedKeys(
	ctx context.Context, who *Caller, ids []string,
) (*keysToUpdate, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		row, err := e.db.LiveKey(ctx, id, who.WorkspaceID())
		if err != nil {
			return nil, orNotFound(err, errKeyNotFound.with("There is no key with the id %s.", id))
		}
		if err := who.require(onKey(row)); err != nil {
			return nil, err
		}
	}
	return &keysToUpdate{IDs: ids}, nil
}

// keysAtOnce is how many keys one change updates. Its rows are few enough for the lane of
// revocations.
const keysAtOnce = 10

// updateFound changes the keys in several changes. The record of the first one, if there
// is an Idempotency-Key, has all of them: a repeated request changes no others.
func (e *Engine) updateFound(
	ctx context.Context, who Caller, r *latchkey.UpdateKeysRequest, found *keysToUpdate,
) (latchkey.UpdatedKeys, error) {
	first, err := change(ctx, e, who, func(ctx context.Context, c *Change) (keysToUpdate, error) {
		all := *found
		if err := c.requireScope(found.scope); err != nil {
			return all, err
		}
		var err error
		all.Updated, err = c.updateKeys(ctx, r, all.IDs[:min(len(all.IDs), keysAtOnce)])
		return all, err
	})
	if err != nil {
		return latchkey.UpdatedKeys{}, err
	}
	updated := first.Updated
	for i := keysAtOnce; i < len(first.IDs); i += keysAtOnce {
		n, err := change(ctx, e, who.forPart(i), func(ctx context.Context, c *Change) (int, error) {
			return c.updateKeys(ctx, r, first.IDs[i:min(len(first.IDs), i+keysAtOnce)])
		})
		if err != nil {
			return latchkey.UpdatedKeys{}, err
		}
		updated += n
	}
	return first.response(updated), nil
}

// updateKeys changes those of the keys that still exist, and returns how many these are.
func (c *Change) updateKeys(
	ctx context.Context, r *latchkey.UpdateKeysRequest, ids []string,
) (updated int, err error) {
	columns := &latchkey.UpdateKeyRequest{
		Enabled: r.Enabled, Expires: r.Expires, ExternalID: r.ExternalID,
	}
	for _, id := range ids {
		row, err := c.tx.LiveKey(ctx, id, c.who.root.workspace)
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return 0, fmt.Errorf("key: %w", err)
		}
		if err := c.require(onKey(row)); err != nil {
			return 0, err
		}
		c.invalidate(id)
		before, record := auditedKeyOf(&row), len(c.audits)
		c.audit(keyUpdated, keyTarget(&row.Key), target("api", row.Key.APIID, ""))
		if err := c.updateColumns(ctx, &row.Key, columns); err != nil {
			return 0, err
		}
		c.audits[record].Changes = changesText(before, auditedKeyOf(&row))
		updated++
	}
	return updated, nil
}

// requireScope returns an error unless the caller can read and change all keys that a
// filter can select. Without a filter there is nothing to check.
func (c *Change) requireScope(scope *ids) error {
	if scope == nil {
		return nil
	}
	if err := c.require(*scope); err != nil {
		return err
	}
	return c.requireWhen(latchkey.WhenFilter, *scope)
}
