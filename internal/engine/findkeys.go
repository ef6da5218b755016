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
	scope, err := e.scopeOf(ctx, &who, r.APIID)
	if err != nil {
		return none, err
	}
	if err := who.require(scope); err != nil {
		return none, err
	}
	filter := filterOf(r)
	search, err := e.searchFor(ctx, who.WorkspaceID(), &filter)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return none, nil
	case err != nil:
		return none, err
	}
	search.Order = orderOf(r.Sort, &filter)
	if search.From, err = parsePlace(search.Order, r.Cursor); err != nil {
		return none, err
	}
	return e.findPage(ctx, search, pageSize(r.Limit, 100))
}

// scopeOf returns the ids of an API, or those of everything if there is none.
func (e *Engine) scopeOf(ctx context.Context, who *Caller, api string) (ids, error) {
	if api == "" {
		return everything, nil
	}
	row, err := e.db.LiveAPI(ctx, api, who.WorkspaceID())
	if err != nil {
		return ids{}, orNotFound(err, apiNotFound())
	}
	return ids{API: row.ID, Keyspace: row.KeyspaceID}, nil
}

// filterOf returns the filters of a request.
func filterOf(r *latchkey.FindKeysRequest) latchkey.KeyFilter {
	return latchkey.KeyFilter{
		APIID: r.APIID, ExternalID: r.ExternalID, Start: r.Start, Name: r.Name,
		Enabled: r.Enabled, ExpiresAfter: r.ExpiresAfter, ExpiresBefore: r.ExpiresBefore,
		LastUsedAfter: r.LastUsedAfter, LastUsedBefore: r.LastUsedBefore, Role: r.Role,
		Permission: r.Permission,
	}
}

// searchFor returns the search for a filter, without an order. The error is
// store.ErrNotFound if something that the filter names doesn't exist.
func (e *Engine) searchFor(
	ctx context.Context, workspace string, f *latchkey.KeyFilter,
) (*store.KeySearch, error) {
	search := &store.KeySearch{
		WorkspaceID: workspace, APIID: f.APIID, Start: f.Start, Name: f.Name,
		ExpiresFrom: milliOrZero(f.ExpiresAfter), ExpiresTo: milliOrZero(f.ExpiresBefore),
		LastUsedFrom: milliOrZero(f.LastUsedAfter), LastUsedTo: milliOrZero(f.LastUsedBefore),
	}
	search.Enabled.Bool, search.Enabled.Valid = f.Enabled.Get()
	return search, e.namesOf(ctx, f, search)
}

// namesOf looks up what a filter names. The error is store.ErrNotFound if something
// doesn't exist.
func (e *Engine) namesOf(
	ctx context.Context, r *latchkey.KeyFilter, search *store.KeySearch,
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

// orderOf returns the order of a request, by default one in which the keys that satisfy
// the filter are together.
func orderOf(sort latchkey.KeySort, f *latchkey.KeyFilter) store.KeyOrder {
	switch {
	case sort == latchkey.SortByCreatedAt:
		return store.KeysByCreated
	case sort == latchkey.SortByID:
		return store.KeysByID
	case sort == latchkey.SortByStart || sort == "" && f.Start != "":
		return store.KeysByStart
	case sort == latchkey.SortByExpires,
		!f.ExpiresAfter.IsZero() || !f.ExpiresBefore.IsZero():
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
	places, next, err := e.matching(ctx, search, size)
	if err != nil {
		return page, err
	}
	var scale scale[latchkey.Key]
	for _, place := range places {
		key, err := e.foundKey(ctx, search.WorkspaceID, place.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return page, err
		}
		if scale.add(key) > maxPageBytes && len(page.Data) > 0 {
			next = &place
			break
		}
		page.Data = append(page.Data, key)
	}
	if next != nil {
		page.Pagination = latchkey.Pagination{HasMore: true, Cursor: cursorAt(search.Order, next)}
	}
	return page, nil
}

// matching returns the places of the keys that match from the place of the search on: at
// most that many, and those among the next maxLooked keys. The search continues at next,
// which is nil at the end.
func (e *Engine) matching(
	ctx context.Context, search *store.KeySearch, most int,
) (places []store.KeyPlace, next *store.KeyPlace, err error) {
	search.Most = lookAtOnce + 1 // one more, to know whether there is one
	for looked := lookAtOnce; ; looked += lookAtOnce {
		found, err := e.db.FindKeys(ctx, search)
		if err != nil {
			return nil, nil, err
		}
		for i, k := range found {
			switch {
			case i == lookAtOnce && looked < maxLooked:
				search.From = k.Place
			case i == lookAtOnce, k.Matches && len(places) == most:
				return places, &k.Place, nil
			case k.Matches:
				places = append(places, k.Place)
			}
		}
		if len(found) <= lookAtOnce {
			return places, nil, nil
		}
	}
}

// foundKey returns a key with what it has.
func (e *Engine) foundKey(ctx context.Context, workspace, id string) (latchkey.Key, error) {
	row, err := e.db.LiveKey(ctx, id, workspace)
	if err != nil {
		return latchkey.Key{}, err
	}
	key, err := e.describe(ctx, &row)
	key.APIID = row.Key.APIID
	return key, err
}

// cursorAt returns the cursor of a place.
func cursorAt(order store.KeyOrder, place *store.KeyPlace) string {
	switch order {
	case store.KeysByStart:
		return place.ID + "," + place.Text
	case store.KeysByCreated, store.KeysByExpires:
		return place.ID + "," + strconv.FormatInt(place.Number, 10)
	}
	return place.ID
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
