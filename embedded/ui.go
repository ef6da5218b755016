//go:build !noui

package embedded

import (
	"context"
	"errors"
	"time"

	"github.com/latchkeyhq/latchkey/internal/server"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/ui"
)

// openUI returns the dashboard and its path that signs in once, or nil if it is off.
func (s *Service) openUI(cfg Config) (pages server.Pages, welcome string, err error) {
	switch cfg.UI {
	case "", UIOn, UIReadOnly:
	case UIOff:
		return nil, "", nil
	default:
		return nil, "", errors.New("latchkey: the dashboard must be on, read-only or off")
	}
	dashboard, err := ui.New(ui.Config{
		Transport: uncached{s}, Sessions: sessions{s.db}, ReadOnly: cfg.UI == UIReadOnly,
		FirstKey: s.RootKey, Version: cfg.Version, Log: cfg.Log, Now: cfg.Now,
	})
	if err != nil {
		return nil, "", err
	}
	return dashboard, dashboard.WelcomePath(), nil
}

// sessions keeps the sessions of the dashboard in the database.
type sessions struct{ db *store.DB }

func (s sessions) Add(ctx context.Context, session ui.Session, most int) error {
	return s.db.AddBrowserSession(ctx, store.BrowserSession{
		ID: session.ID, RootKeyID: session.RootKeyID, Sealed: session.Sealed,
		Address: session.Address, Agent: session.Agent, CreatedAt: session.CreatedAt.UnixMilli(),
		UsedAt: session.UsedAt.UnixMilli(), ExpiresAt: session.ExpiresAt.UnixMilli(),
	}, most)
}

func (s sessions) Get(ctx context.Context, id string) (ui.Session, error) {
	row, err := s.db.BrowserSession(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return ui.Session{}, ui.ErrNoSession
	}
	return sessionOf(&row), err
}

func (s sessions) Use(ctx context.Context, id string, at, expires time.Time) error {
	return s.db.UseBrowserSession(ctx, id, at.UnixMilli(), expires.UnixMilli())
}

func (s sessions) End(ctx context.Context, id, rootKeyID string) error {
	return s.db.EndBrowserSession(ctx, id, rootKeyID)
}

func (s sessions) Of(ctx context.Context, rootKeyID string) ([]ui.Session, error) {
	rows, err := s.db.BrowserSessionsOfRootKey(ctx, rootKeyID)
	if err != nil {
		return nil, err
	}
	found := make([]ui.Session, len(rows))
	for i := range rows {
		found[i] = sessionOf(&rows[i])
	}
	return found, nil
}

func sessionOf(row *store.BrowserSession) ui.Session {
	return ui.Session{
		ID: row.ID, RootKeyID: row.RootKeyID, Sealed: row.Sealed, Address: row.Address,
		Agent: row.Agent, CreatedAt: time.UnixMilli(row.CreatedAt),
		UsedAt: time.UnixMilli(row.UsedAt), ExpiresAt: time.UnixMilli(row.ExpiresAt),
	}
}
