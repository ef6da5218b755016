package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// storedGrants are the permissions, roles and limits of a key, as stored.
type storedGrants struct {
	permissions, roles []string // sorted and distinct
	roleIDs            []string
	limits             []latchkey.Ratelimit // the key's own, in name order
	shared             []latchkey.Ratelimit // its identity's, in name order
	budgets            []attachedBudget     // the key's and its identity's, in order of their ids
}

// loadGrants reads the grants of a key.
func (e *Engine) loadGrants(ctx context.Context, key *read.Key) (*storedGrants, error) {
	rows, err := e.db.KeyGrants(ctx, key.ID, key.IdentityID, balanceID(key))
	if err != nil {
		return nil, fmt.Errorf("key %s: grants: %w", key.ID, err)
	}
	return storedGrantsOf(key.ID, rows), nil
}

// loadPageGrants reads the grants of a page of keys with one query, by key. The
// page has consecutive keys of an API or, if ofIdentity, of an identity in it.
func (e *Engine) loadPageGrants(
	ctx context.Context, page []read.KeysPageRow, ofIdentity bool,
) (map[string]*storedGrants, error) {
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
			Amount: row.Amount, Duration: row.Duration, AutoApply: row.AutoApply,
			Algorithm: row.Algorithm,
		})
	}
	byKey := make(map[string]*storedGrants, len(page))
	for _, row := range page {
		byKey[row.Key.ID] = storedGrantsOf(row.Key.ID, grants[row.Key.ID])
	}
	return byKey, nil
}

// storedGrantsOf sorts the grants of a key by kind and name.
func storedGrantsOf(keyID string, rows []read.KeyGrantsRow) *storedGrants {
	h := new(storedGrants)
	for _, row := range rows {
		switch {
		case row.Kind == "permission":
			h.permissions = append(h.permissions, row.Name)
		case row.Kind == "role":
			h.roles = append(h.roles, row.Name)
			h.roleIDs = append(h.roleIDs, row.ID)
		case row.Kind == "budget":
			h.addBudget(attachedBudget{row.ID, row.Name, row.AutoApply})
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

// addBudget adds a budget. One that both the key and its identity have is there once.
func (h *storedGrants) addBudget(b attachedBudget) {
	at, known := slices.BinarySearchFunc(h.budgets, b,
		func(a, b attachedBudget) int { return strings.Compare(a.id, b.id) })
	if known {
		h.budgets[at].autoApply = h.budgets[at].autoApply || b.autoApply
		return
	}
	h.budgets = slices.Insert(h.budgets, at, b)
}

func limitOf(row read.KeyGrantsRow) latchkey.Ratelimit {
	return latchkey.Ratelimit{
		ID: row.ID, Name: row.Name, Limit: row.Amount,
		Duration: latchkey.PerMilli(row.Duration), AutoApply: row.AutoApply,
		Algorithm: latchkey.Algorithm(row.Algorithm),
	}
}

func byLimitName(a, b latchkey.Ratelimit) int { return strings.Compare(a.Name, b.Name) }
