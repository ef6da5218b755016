package store

import (
	"context"

	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// BrowserSession is a row of the dashboard's sessions. Times are in unix milliseconds.
type BrowserSession = read.BrowserSession

// AddBrowserSession inserts a session, and deletes those of its root key that are more than
// that many, the least recently used first.
func (db *DB) AddBrowserSession(ctx context.Context, s BrowserSession, most int) error {
	return db.Update(ctx, func(ctx context.Context, tx *Tx) error {
		others, err := tx.BrowserSessionsOfRootKey(ctx, s.RootKeyID)
		if err != nil {
			return err
		}
		for _, old := range others[min(len(others), most-1):] {
			if err := tx.DeleteBrowserSession(ctx, old.ID, old.RootKeyID); err != nil {
				return err
			}
		}
		return tx.InsertBrowserSession(ctx, write.InsertBrowserSessionParams(s))
	})
}

// UseBrowserSession notes when a session was used, and when it expires.
func (db *DB) UseBrowserSession(ctx context.Context, id string, now, expires int64) error {
	return db.Update(ctx, func(ctx context.Context, tx *Tx) error {
		return tx.UseBrowserSession(ctx, now, expires, id)
	})
}

// EndBrowserSession deletes a session of a root key, if there is one.
func (db *DB) EndBrowserSession(ctx context.Context, id, rootKey string) error {
	return db.Update(ctx, func(ctx context.Context, tx *Tx) error {
		return tx.DeleteBrowserSession(ctx, id, rootKey)
	})
}
