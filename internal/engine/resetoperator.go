package engine

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/rbac"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// ErrNoInstallation is the error of [ResetOperator] on a database in which no
// service has run.
var ErrNoInstallation = errors.New("the database has no workspace")

// ResetOperator creates a root key of the operator and disables all others,
// unless they are to be kept, whose number it returns too. It needs no running
// engine; running nodes apply the change. Who calls it must have checked that the
// caller has the master key.
func ResetOperator(
	ctx context.Context, db *store.DB, keepOthers bool,
) (rootKey string, disabled int, err error) {
	e := &Engine{db: db, time: time.Now, source: &coherence.Source{
		Clock: coherence.NewClock(db.Shared()), Breaker: coherence.NewBreaker(store.IsUnavailable, nil),
	}}
	workspace, old, err := operatorKeys(ctx, db)
	if err != nil {
		return "", 0, err
	}
	work := func(ctx context.Context, c *Change) (latchkey.CreatedRootKey, error) {
		disabled = 0
		created, err := c.insertRootKey(ctx, workspace, "operator", []string{rbac.Operator},
			sql.NullInt64{})
		if err != nil {
			return latchkey.CreatedRootKey{}, err
		}
		c.audit(rootKeyReset, rootKeyTarget(created.RootKeyID, "operator"))
		for _, row := range old {
			if keepOthers || !row.Enabled {
				continue
			}
			before := row
			row.Enabled = false
			if _, err := c.updateRootKey(ctx, before, row); err != nil {
				return latchkey.CreatedRootKey{}, err
			}
			disabled++
		}
		return created, nil
	}
	created, err := change(ctx, e, e.system(workspace), work)
	return created.Key, disabled, err
}

// operatorKeys returns the workspace of the operator and the operator's root keys.
// Without one, the oldest workspace is the operator's.
func operatorKeys(
	ctx context.Context, db *store.DB,
) (workspace string, keys []read.RootKey, err error) {
	var oldest read.Workspace
	err = eachPage(func(from string, most int64) (last string, n int, err error) {
		spaces, err := db.WorkspacesPage(ctx, from, "%", most)
		for _, space := range spaces {
			if oldest.ID == "" || space.CreatedAt < oldest.CreatedAt {
				oldest = space
			}
			found, err := operatorKeysOf(ctx, db, space.ID)
			if err != nil {
				return "", 0, err
			}
			keys = append(keys, found...)
			last = space.ID
		}
		return last, len(spaces), err
	})
	switch {
	case err != nil:
		return "", nil, err
	case oldest.ID == "":
		return "", nil, ErrNoInstallation
	case len(keys) == 0:
		return oldest.ID, nil, nil
	}
	first := slices.MinFunc(keys, func(a, b read.RootKey) int {
		return cmp.Compare(a.CreatedAt, b.CreatedAt)
	})
	return first.WorkspaceID, keys, nil
}

// operatorKeysOf returns the operator's root keys in a workspace.
func operatorKeysOf(
	ctx context.Context, db *store.DB, workspace string,
) (keys []read.RootKey, err error) {
	err = eachPage(func(from string, most int64) (last string, n int, err error) {
		rows, err := db.RootKeysPage(ctx, workspace, from, most)
		for _, row := range rows {
			permissions, err := permissionsOf(row)
			if err != nil {
				return "", 0, err
			}
			if slices.Contains(permissions, rbac.Operator) {
				keys = append(keys, row)
			}
			last = row.ID
		}
		return last, len(rows), err
	})
	return keys, err
}

// eachPage calls read for each page of rows that have ids, from the id that it is
// given on. Read returns the last id and the number of rows.
func eachPage(read func(from string, most int64) (last string, n int, err error)) error {
	const most = 1000
	for from := ""; ; {
		last, n, err := read(from, most)
		if err != nil || n < most {
			return err
		}
		from = last + "\x01" // the smallest id after it
	}
}
