package ui

import (
	"errors"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// playgroundView is what the playground shows. A whole key that was entered is not in it.
type playgroundView struct {
	KeyID       string
	Permissions string
	Cost        string
	Limits      string // names of limits
	Spend       bool   // verify really, and spend and count
	Explained   *latchkey.KeyExplanation
	Verified    *latchkey.Verification
	Problem     *problem
	Examples    []example
}

// Verdict is what the service says in words.
func (v playgroundView) Verdict() (text string) {
	switch {
	case v.Explained != nil:
		return outcomeText(string(v.Explained.Code))
	case v.Verified != nil:
		return outcomeText(string(v.Verified.Code))
	}
	return ""
}

// Valid reports whether the service would let the call in.
func (v playgroundView) Valid() bool {
	return v.Explained != nil && v.Explained.Valid || v.Verified != nil && v.Verified.Valid
}

// playground shows the form that asks about a key.
func (v *visit) playground() error {
	view := playgroundView{KeyID: clip(v.r.FormValue("keyId"), 255), Cost: "1"}
	if !keyID.MatchString(view.KeyID) {
		view.KeyID = ""
	}
	return v.showPlayground(http.StatusOK, view)
}

func (v *visit) showPlayground(status int, view playgroundView) error {
	v.write(status, "playground", page{Title: "Playground", Section: "/playground", Data: view})
	return nil
}

// ask asks what the service says about a key, or verifies it.
func (v *visit) ask() error {
	form := v.r.PostForm
	view := playgroundView{
		Permissions: strings.TrimSpace(form.Get("permissions")), Cost: form.Get("cost"),
		Limits: form.Get("limits"), Spend: form.Has("spend"),
	}
	key := strings.TrimSpace(form.Get("key"))
	cost, err := parseNumber(view.Cost)
	if err != nil {
		view.Problem = &problem{Text: "Cost: " + sentence(err.Error())}
		return v.showPlayground(http.StatusUnprocessableEntity, view)
	}
	credits := &latchkey.VerifyKeyCredits{Cost: latchkey.Int(cost)}
	var limits []latchkey.VerifyKeyRatelimit
	for _, name := range slugs(view.Limits) {
		limits = append(limits, latchkey.VerifyKeyRatelimit{Name: name})
	}
	query := latchkey.PermissionQuery(view.Permissions)
	shown := latchkey.VerifyKeyRequest{
		Key: "$KEY", Permissions: query, Credits: credits, Ratelimits: limits,
	}
	if view.Spend {
		shown.Key = key
		var result latchkey.Verification
		if result, err = v.client.Keys.Verify(v.ctx(), shown, v.once()); err == nil {
			view.Verified = &result
		}
		shown.Key = "$KEY"
	} else {
		request := latchkey.ExplainKeyRequest{
			Permissions: query, Credits: credits, Ratelimits: limits,
		}
		var result latchkey.KeyExplanation
		if result, view.KeyID, err = v.explain(request, key); err == nil {
			view.Explained = &result
		}
	}
	view.Examples = examplesOf("keys.verifyKey", shown)
	if err == nil {
		return v.showPlayground(http.StatusOK, view)
	}
	if view.Problem = refusal(err); view.Problem == nil {
		return err
	}
	return v.showPlayground(http.StatusUnprocessableEntity, view)
}

// explain asks about a key by its id or by the key itself. It returns the id only if that was
// asked for: a key can look like an id, and is never shown again.
func (v *visit) explain(
	request latchkey.ExplainKeyRequest, key string,
) (result latchkey.KeyExplanation, id string, err error) {
	if strings.HasPrefix(key, "key_") && keyID.MatchString(key) {
		request.KeyID = key
		result, err = v.client.Keys.Explain(v.ctx(), request)
		if !errors.Is(err, latchkey.ErrNotFound) {
			return result, result.KeyID, err
		}
		request.KeyID = ""
	}
	request.Key = key
	result, err = v.client.Keys.Explain(v.ctx(), request)
	return result, "", err
}
