package ui

import (
	"net/url"

	"github.com/latchkeyhq/latchkey"
)

// settingsView is what the settings show.
type settingsView struct {
	Sessions []sessionRow
}

// sessionRow is a session of the same root key.
type sessionRow struct {
	ID, Client, Address string
	UsedAt, CreatedAt   latchkey.Time
	This                bool // it is that of this browser
}

// settings shows how pages look, the sessions and the keyboard.
func (v *visit) settings() error {
	sessions, err := v.Sessions.Of(v.ctx(), v.session.RootKeyID)
	if err != nil {
		return err
	}
	var view settingsView
	for _, s := range sessions {
		view.Sessions = append(view.Sessions, sessionRow{
			ID: s.ID, Client: clientName(s.Agent), Address: s.Address,
			UsedAt: latchkey.At(s.UsedAt), CreatedAt: latchkey.At(s.CreatedAt),
			This: s.ID == v.session.ID,
		})
	}
	return v.show("settings", page{Title: "Settings", Section: "/settings", Data: view})
}

// endSession ends a session of the same root key.
func (v *visit) endSession() error {
	id := v.r.PathValue("sessionId")
	if err := v.Sessions.End(v.ctx(), id, v.session.RootKeyID); err != nil {
		return err
	}
	if id == v.session.ID {
		setCookie(v.w, v.r, nil)
		return v.redirect("/sign-in?"+url.Values{"ended": {""}}.Encode(), "")
	}
	return v.redirect("/settings", "Ended the session.")
}
