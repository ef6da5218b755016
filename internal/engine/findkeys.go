package engine

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// FindKeys returns the keys of the workspace, in all APIs or in one, that satisfy
// all filters of the request, page by page. Disabled and expired keys are listed,
// deleted ones and those of deleted APIs are not. Use it to find the key whose
// beginning is in a log, the keys of a customer, those that expire soon, or those
// that nobody uses.
//
// A page looks at no more than 2,000 keys, so with filters that few keys satisfy,
// a page can have fewer keys than its limit, or none, although there are more:
// continue until hasMore is false. The filters externalId, start, role, apiId and,
// by their order, the bounds of expires are looked up; the others are compared.
//
// The root key needs api.*.read_key, or api.<apiId>.read_key if the request names
// an API. An identity, role or permission that does not exist has no keys.
func (e *Engine) FindKeys(
	ctx context.Context, who Caller, r *latchkey.FindKeysRequest,
) (latchkey.Page[latchkey.Key], error) {
	none := latchkey.Page[latchkey.Key]{Data: []latchkey.Key{}}
	if err := e.requireFound(ctx, &who, r.APIID); err != nil {
		return none, err
	}
	search := &store.KeySearch{
		WorkspaceID: who.WorkspaceID(), APIID: r.APIID, Start: r.Start, Name: r.Name,
		ExpiresFrom: milliOrZero(r.ExpiresAfter), ExpiresTo: milliOrZero(r.ExpiresBefore),
		LastUsedFrom: milliOrZero(r.LastUsedAfter), LastUsedTo: milliOrZero(r.LastUsedBefore),
		Order: orderOf(r),
	}
	search.Enabled.Bool, search.Enabled.Valid = r.Enabled.Get()
	switch err := e.namesOf(ctx, r, search); {
	case errors.Is(err, store.ErrNotFound):
		return none, nil
	case err != nil:
		return none, err
	}
	var err error
	if search.From, err = parsePlace(search.Order, r.Cursor); err != nil {
		return none, err
	}
	return e.findPage(ctx, search, pageSize(r.Limit, 100))
}

// requireFound returns an error unless the caller can read the keys of the API, or of all
// APIs if there is none.
func (e *Engine) requireFound(ctx context.Context, who *Caller, api string) error {
	if api == "" {
		return who.require(everything)
	}
	row, err := e.db.LiveAPI(ctx, api, who.WorkspaceID())
	if err != nil {
		return orNotFound(err, apiNotFound())
	}
	return who.require(ids{API: row.ID, Keyspace: row.KeyspaceID})
}

// namesOf looks up what the request names. The error is store.ErrNotFound if something
// doesn't exist.
func (e *Engine) namesOf(
	ctx context.Context, r *latchkey.FindKeysRequest, search *store.KeySearch,
) error {
	if r.ExternalID != "" {
		row, err := e.db.IdentityByExternalID(ctx, search.WorkspaceID, r.ExternalID)
		if err != nil {
			return err
		}
		search.IdentityID = row.ID
	}
	if r.Role != "" {
		row, err := e.db.Role(ctx, search.WorkspaceID, r.Role, foldName(r.Role))
		if err != nil {
			return err
		}
		search.RoleID = row.ID
	}
	if r.Permission != "" {
		row, err := e.db.Permission(
			ctx, search.WorkspaceID, r.Permission, foldSlug(r.Permission),
		)
		if err != nil {
			return err
		}
		search.PermissionID = row.ID
	}
	return nil
}

// orderOf returns the order of a request.
func orderOf(r *latchkey.FindKeysRequest) store.KeyOrder {
	switch {
	case r.Sort == latchkey.SortByCreatedAt:
		return store.KeysByCreated
	case r.Sort == latchkey.SortByID:
		return store.KeysByID
	case r.Sort == latchkey.SortByStart || r.Sort == "" && r.Start != "":
		return store.KeysByStart
	case r.Sort == latchkey.SortByExpires,
		!r.ExpiresAfter.IsZero() || !r.ExpiresBefore.IsZero():
		return store.KeysByExpires
	}
	return store.KeysByID
}

// maxLooked is how many keys a page looks at, and lookAtOnce how many at once.
const (
	maxLooked  = 2000
	lookAtOnce = 250
)

// findPage returns the keys from the place of the search on: at most size, at most
// maxPageBytes, and those among the next maxLooked keys.
func (e *Engine) findPage(
	ctx context.Context, search *store.KeySearch, size int,
) (latchkey.Page[latchkey.Key], error) {
	page := latchkey.Page[latchkey.Key]{Data: []latchkey.Key{}}
	var scale scale[latchkey.Key]
	for looked := 0; ; looked += lookAtOnce {
		search.Most = lookAtOnce + 1 // one more, to know whether there is one
		found, err := e.db.FindKeys(ctx, search)
		if err != nil {
			return page, err
		}
		for i, k := range found {
			if i == lookAtOnce {
				search.From = k.Place
				break
			}
			if !k.Matches {
				continue
			}
			if len(page.Data) == size {
				return endAt(page, search.Order, k.Place), nil
			}
			key, err := e.foundKey(ctx, search.WorkspaceID, k.Place.ID)
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return page, err
			}
			if scale.add(key) > maxPageBytes && len(page.Data) > 0 {
				return endAt(page, search.Order, k.Place), nil
			}
			page.Data = append(page.Data, key)
		}
		switch {
		case len(found) <= lookAtOnce:
			return page, nil
		case looked+lookAtOnce >= maxLooked:
			return endAt(page, search.Order, search.From), nil
		}
	}
}

// foundKey returns a key with what it has.
func (e *Engine) foundKey(ctx context.Context, workspace, id string) (latchkey.Key, error) {
	row, err := e.db.LiveKey(ctx, id, workspace)
	if err != nil {
		return latchkey.Key{}, err
	}
	key, err := e.describe(ctx, &row.Key, ownerOf(row))
	key.APIID = row.Key.APIID
	return key, err
}

// endAt returns the page with the cursor of a place.
func endAt(
	page latchkey.Page[latchkey.Key], order store.KeyOrder, place store.KeyPlace,
) latchkey.Page[latchkey.Key] {
	value := place.Text
	if order == store.KeysByCreated || order == store.KeysByExpires {
		value = strconv.FormatInt(place.Number, 10)
	}
	cursor := place.ID
	if order != store.KeysByID {
		cursor += "," + value
	}
	page.Pagination = latchkey.Pagination{HasMore: true, Cursor: cursor}
	return page
}

// parsePlace parses a cursor: an id, and in other orders a comma and the value.
func parsePlace(order store.KeyOrder, cursor string) (place store.KeyPlace, err error) {
	if cursor == "" {
		return place, nil
	}
	id, value, _ := strings.Cut(cursor, ",")
	place.ID = id
	switch order {
	case store.KeysByStart:
		place.Text = value
	case store.KeysByCreated, store.KeysByExpires:
		if place.Number, err = strconv.ParseInt(value, 10, 64); err != nil {
			return place, invalid(latchkey.Fault{
				Location: "/properties/cursor",
				Message:  "cursor must be the cursor of a page of the same request",
				Fix:      "Leave it out for the first page.",
			})
		}
	}
	return place, nil
}

// milliOrZero returns a time in unix milliseconds, 0 for none.
func milliOrZero(t latchkey.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
