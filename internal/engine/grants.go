package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// holding is what a key holds.
type storedGrants struct {
	permissions, roles []string // sorted, without repeats
	roleIDs            []string
	limits             []latchkey.Ratelimit // the key's own, in name order
	shared             []latchkey.Ratelimit // its identity's, in name order
}

// loadGrants reads what a key holds.
func (e *Engine) loadGrants(ctx context.Context, key *read.Key) (*storedGrants, error) {
	rows, err := e.db.KeyGrants(ctx, key.ID, key.IdentityID)
	if err != nil {
		return nil, fmt.Errorf("key %s: grants: %w", key.ID, err)
	}
	return storedGrantsOf(key.ID, rows), nil
}

// holdings reads what the keys of a page hold, by key, with one query however
// many they are. They are consecutive keys of an API or, if the page is of an
// identity, of those that belong to it.
func (e *Engine) loadPageGrants(ctx context.Context, page []read.KeysPageRow, ofIdentity bool) (map[string]*storedGrants, error) {
	if len(page) == 0 {
		return nil, nil
	}
	first, last := &page[0].Key, &page[len(page)-1].Key
	which := read.GrantsOfPageParams{APIID: first.APIID, FromID: first.ID, ToID: last.ID}
	if ofIdentity {
		which.IdentityID = first.IdentityID
	}
	rows, err := e.db.GrantsOfPage(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("grants of the keys: %w", err)
	}
	grants := make(map[string][]read.KeyGrantsRow, len(page))
	for _, row := range rows {
		grants[row.KeyID] = append(grants[row.KeyID], read.KeyGrantsRow{
			Kind: row.Kind, ID: row.ID, Name: row.Name, OwnerID: row.OwnerID,
			Amount: row.Amount, Duration: row.Duration, AutoApply: row.AutoApply, Algorithm: row.Algorithm,
		})
	}
	held := make(map[string]*storedGrants, len(page))
	for _, row := range page {
		held[row.Key.ID] = storedGrantsOf(row.Key.ID, grants[row.Key.ID])
	}
	return held, nil
}

// holdingOf puts what a key holds in order.
func storedGrantsOf(keyID string, rows []read.KeyGrantsRow) *storedGrants {
	h := new(storedGrants)
	for _, row := range rows {
		switch {
		case row.Kind == "permission":
			h.permissions = append(h.permissions, row.Name)
		case row.Kind == "role":
			h.roles = append(h.roles, row.Name)
			h.roleIDs = append(h.roleIDs, row.ID)
		case row.OwnerID == keyID:
			h.limits = append(h.limits, limitOf(row))
		default:
			h.shared = append(h.shared, limitOf(row))
		}
	}
	slices.Sort(h.permissions)
	h.permissions = slices.Compact(h.permissions)
	slices.Sort(h.roles)
	slices.SortFunc(h.limits, byLimitName)
	slices.SortFunc(h.shared, byLimitName)
	return h
}

func limitOf(row read.KeyGrantsRow) latchkey.Ratelimit {
	return latchkey.Ratelimit{
		ID: row.ID, Name: row.Name, Limit: row.Amount,
		Duration: latchkey.PerMilli(row.Duration), AutoApply: row.AutoApply,
		Algorithm: latchkey.Algorithm(row.Algorithm),
	}
}

func byLimitName(a, b latchkey.Ratelimit) int { return strings.Compare(a.Name, b.Name) }
