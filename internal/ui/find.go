package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// findAnything leads to what a text of the palette names: a key by its id, itself or its name, an
// identity, or an API. The text can be a key, so it is in no URL and on no page.
func (v *visit) findAnything() error {
	text := strings.TrimSpace(v.r.PostFormValue("q"))
	if text != "" {
		for _, find := range []func(string) string{
			v.keyOf, v.identityOf, v.keyNamed, v.apiOf,
		} {
			if path := find(text); path != "" {
				return v.redirect(path, "")
			}
		}
	}
	v.write(http.StatusNotFound, "failure", page{Title: "Nothing found", Data: failure{
		Title: "Nothing found", Icon: "search",
		Text: "No key, identity or API has this id or name, or the root key can’t see it.",
		Next: "Names and external ids must be whole. The lists find parts of them.",
	}})
	return nil
}

// keyOf returns the path of the key with an id, or of a whole key; "" if there is none.
func (v *visit) keyOf(text string) string {
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: text})
	if err != nil && looksLikeKey(text) {
		key, err = v.client.Keys.Whoami(v.ctx(), latchkey.WhoamiRequest{Key: text})
	}
	if err != nil {
		return ""
	}
	return "/keys/" + url.PathEscape(key.KeyID)
}

func (v *visit) identityOf(text string) string {
	identity, err := v.client.Identities.Get(v.ctx(), latchkey.GetIdentityRequest{Identity: text})
	if err != nil {
		return ""
	}
	return "/identities/" + url.PathEscape(identity.ID)
}

func (v *visit) keyNamed(text string) string {
	found, err := v.client.Keys.Find(v.ctx(), latchkey.FindKeysRequest{Name: text, Limit: 1})
	if err != nil || len(found.Data) == 0 {
		return ""
	}
	return "/keys/" + url.PathEscape(found.Data[0].KeyID)
}

func (v *visit) apiOf(text string) string {
	found, err := v.client.APIs.List(v.ctx(), latchkey.ListAPIsRequest{Search: text, Limit: 1})
	if err != nil || len(found.Data) == 0 {
		return ""
	}
	return "/apis/" + url.PathEscape(found.Data[0].ID)
}
