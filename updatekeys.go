package latchkey

import "context"

// UpdateKeysRequest changes many keys alike. It selects them by their ids or by a filter.
// Absent fields stay as they are, null removes; at least one must change something.
type UpdateKeysRequest struct {
	// KeyIDs are the keys to change. If one of them does not exist, nothing is changed.
	KeyIDs []string `json:"keyIds,omitempty" check:"max=100,items.min=3,items.max=255"`
	// Filter selects the keys to change.
	Filter *KeyFilter `json:"filter,omitempty"`
	// Enabled enables or disables the keys.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// Expires is the last moment at which the keys verify, in unix milliseconds; null for never.
	Expires Opt[Time] `json:"expires,omitzero" check:"null,min=0,max=4102444800000"`
	// ExternalID is your name for their owner, who is created if there is none; null for no owner.
	ExternalID Opt[string] `json:"externalId,omitzero" check:"null,min=1,max=255,pattern=externalId"`
	// DryRun only counts the keys that would be changed.
	DryRun bool `json:"dryRun,omitempty" check:"default=false"`
	// Cursor is the cursor of the previous response to the same request; leave it out to begin.
	Cursor string `json:"cursor,omitempty" check:"max=1024"`
}

// KeyFilter selects the keys of the workspace that satisfy all of its fields, of which at
// least one must be set.
type KeyFilter struct {
	// APIID selects the keys of an API; by default those of all APIs.
	APIID string `json:"apiId,omitempty" check:"min=3,max=255,pattern=id"`
	// ExternalID selects the keys of the identity with this external id.
	ExternalID string `json:"externalId,omitempty" check:"min=1,max=255"`
	// Start selects the keys that begin with this text, as in keys.listKeys.
	Start string `json:"start,omitempty" check:"min=1,max=64"`
	// Name selects the keys with exactly this name.
	Name string `json:"name,omitempty" check:"min=1,max=255"`
	// Enabled selects the keys that are enabled, or those that are disabled.
	Enabled Opt[bool] `json:"enabled,omitzero"`
	// ExpiresAfter selects the keys that expire then or later, in unix milliseconds.
	ExpiresAfter Time `json:"expiresAfter,omitzero" check:"min=1,max=4102444800000"`
	// ExpiresBefore selects the keys that expire then or earlier, in unix milliseconds.
	ExpiresBefore Time `json:"expiresBefore,omitzero" check:"min=1,max=4102444800000"`
	// LastUsedAfter selects the keys that were used then or later, in unix milliseconds.
	LastUsedAfter Time `json:"lastUsedAfter,omitzero" check:"min=1,max=4102444800000"`
	// LastUsedBefore selects the keys that were used then or earlier, or never, in unix
	// milliseconds.
	LastUsedBefore Time `json:"lastUsedBefore,omitzero" check:"min=1,max=4102444800000"`
	// Role selects the keys with the role of this id or name.
	Role string `json:"role,omitempty" check:"min=1,max=128"`
	// Permission selects the keys that have the permission of this id or slug, directly or
	// through a role.
	Permission string `json:"permission,omitempty" check:"min=1,max=128,pattern=slug"`
}

// UpdatedKeys is the response to [UpdateKeysRequest].
type UpdatedKeys struct {
	// Updated is how many keys this request changed or, in a dry run, would change.
	Updated int `json:"updated" check:"required"`
	// HasMore is true if more keys can satisfy the filter: repeat the request with the cursor.
	HasMore bool `json:"hasMore" check:"required"`
	// Cursor continues the same request; absent if it is finished.
	Cursor string `json:"cursor,omitempty"`
}

// UpdateMany changes up to 100 of the selected keys, from the request's cursor on.
func (s Keys) UpdateMany(
	ctx context.Context, r UpdateKeysRequest, opts ...CallOption,
) (UpdatedKeys, error) {
	return call[UpdatedKeys](ctx, s.c, "keys.updateKeys", &r, opts)
}

// UpdateAll changes all of the selected keys, in as many requests as it takes. The response
// has the number of keys changed by all of them. After an error it has a cursor, with which a
// later call continues.
func (s Keys) UpdateAll(
	ctx context.Context, r UpdateKeysRequest, opts ...CallOption,
) (UpdatedKeys, error) {
	all := UpdatedKeys{HasMore: true, Cursor: r.Cursor}
	for all.HasMore {
		r.Cursor = all.Cursor
		done, err := s.UpdateMany(ctx, r, opts...)
		if err != nil {
			return all, err
		}
		done.Updated += all.Updated
		all = done
	}
	return all, nil
}
