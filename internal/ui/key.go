package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// keyView is what the page of a key shows.
type keyView struct {
	Key      latchkey.Key
	Name     string
	State    pill
	Stop     *stop // what stops the key; nil if nothing does
	Usage    usageView
	Recent   []verification
	Failure  *failure // why Recent isn't shown
	Problem  *problem
	RefillIn string
	Meta     string
	Now      *latchkey.KeyExplanation // what a verification would find; nil if it can't be asked
}

// stop is why a key is refused, and what to do.
type stop struct{ Title, Text string }

// key shows a key.
func (v *visit) key() error { return v.showKey(http.StatusOK, nil) }

// showKey shows a key, and why a change of it was not accepted.
func (v *visit) showKey(status int, wrong *problem) error {
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: v.r.PathValue("keyId")})
	if err != nil {
		return err
	}
	view := keyView{
		Key: key, Name: keyName(&key), State: stateOf(&key, v.Now()), Stop: stopOf(&key, v.Now()),
		Problem: wrong, Meta: indented(key.Meta),
	}
	if key.Credits != nil && key.Credits.Refill != nil {
		view.RefillIn = refillWords(key.Credits.Refill)
	}
	if keyID.MatchString(key.KeyID) {
		view.Usage = v.usage(condition(" AND key_id = '"+key.KeyID+"'"), false)
		view.Recent, view.Failure = v.recent(key.KeyID)
	}
	if v.who.can["keys.explainKey"] {
		now, err := v.client.Keys.Explain(v.ctx(), latchkey.ExplainKeyRequest{KeyID: key.KeyID})
		if err == nil { // else the page shows the limits without their counts
			view.Now = &now
		}
	}
	v.write(status, "key", page{
		Title: view.Name, Section: "/apis", Trail: v.trailOf(&key), Data: view,
	})
	return nil
}

// keyName returns what to call a key.
func keyName(key *latchkey.Key) string {
	if key.Name != "" {
		return key.Name
	}
	return key.Start + "…"
}

// trailOf returns what is above the page of a key. Only lists say to which API a key belongs.
func (v *visit) trailOf(key *latchkey.Key) []link {
	trail := []link{{"APIs", "/apis"}}
	found, err := v.client.Keys.Find(v.ctx(), latchkey.FindKeysRequest{Start: key.Start, Limit: 20})
	if err != nil {
		return trail
	}
	i := slices.IndexFunc(found.Data, func(k latchkey.Key) bool { return k.KeyID == key.KeyID })
	if i < 0 {
		return trail
	}
	api, err := v.client.APIs.Get(v.ctx(), latchkey.GetAPIRequest{APIID: found.Data[i].APIID})
	if err != nil {
		return trail
	}
	return append(trail, link{api.Name, "/apis/" + url.PathEscape(api.ID)})
}

// stopOf returns what stops a key first, in the order in which a verification checks it.
func stopOf(key *latchkey.Key, now time.Time) *stop {
	switch {
	case !key.Enabled:
		return &stop{"This key is disabled.", "Every verification is refused with DISABLED."}
	case key.Identity != nil && key.Identity.Disabled:
		return &stop{"The identity of this key is disabled.",
			"Every verification is refused with DISABLED, for all of its keys."}
	case !key.Expires.IsZero() && key.Expires.Before(now):
		return &stop{"This key ended on " + key.Expires.UTC().Format("2 January 2006, 15:04 UTC") + ".",
			"Every verification is refused with EXPIRED."}
	case outOfCredits(key) && key.Credits.Refill != nil:
		return &stop{"0 credits left.", "A call that costs 1 is refused with USAGE_EXCEEDED. Refill " +
			refillWords(key.Credits.Refill) + "."}
	case outOfCredits(key):
		return &stop{"0 credits left.",
			"A call that costs 1 is refused with USAGE_EXCEEDED. There is no refill."}
	}
	return nil
}

// change makes a change of the key in the path, and says what was done.
func (v *visit) change(done string, err error) error {
	if err == nil {
		return v.redirect("/keys/"+url.PathEscape(v.r.PathValue("keyId")), done)
	}
	if wrong := refusal(err); wrong != nil {
		return v.showKey(http.StatusUnprocessableEntity, wrong)
	}
	return err
}

// switchKey enables or disables a key.
func (v *visit) switchKey() error {
	enable := v.r.PostFormValue("enabled") == "true"
	err := v.client.Keys.Update(v.ctx(), latchkey.UpdateKeyRequest{
		KeyID: v.r.PathValue("keyId"), Enabled: latchkey.Set(enable),
	}, v.once())
	if enable {
		return v.change("Enabled. It verifies from now on.", err)
	}
	return v.change("Disabled. It is refused from now on, on every node within a second.", err)
}

// rerollKey replaces a key by a new one, which it shows once.
func (v *visit) rerollKey() error {
	request := latchkey.RerollKeyRequest{KeyID: v.r.PathValue("keyId")}
	grace, err := time.ParseDuration(v.r.PostFormValue("grace"))
	if err != nil || grace < 0 {
		return v.showKey(http.StatusUnprocessableEntity,
			&problem{Text: "Choose when the old key ends."})
	}
	request.Expiration = latchkey.Set(latchkey.Per(grace))
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: request.KeyID})
	if err != nil {
		return err
	}
	trail := v.trailOf(&key)
	created, err := v.client.Keys.Reroll(v.ctx(), request, v.once())
	if err != nil {
		return v.change("", err)
	}
	like := latchkey.CreateKeyRequest{
		Name: key.Name, ExternalID: key.ExternalID(), Roles: key.Roles, Credits: key.Credits,
		Permissions: key.Permissions, Expires: key.Expires,
		APIID: strings.TrimPrefix(trail[len(trail)-1].Path, "/apis/"),
	}
	for _, l := range key.Ratelimits {
		like.Ratelimits = append(like.Ratelimits, l.Request())
	}
	return v.showSecret(like, created)
}

// changeCredits sets, raises or lowers a balance.
func (v *visit) changeCredits() error {
	request := latchkey.UpdateCreditsRequest{
		KeyID:     v.r.PathValue("keyId"),
		Operation: latchkey.CreditsOperation(v.r.PostFormValue("operation")),
	}
	n, err := parseNumber(v.r.PostFormValue("value"))
	if err != nil {
		return v.showKey(http.StatusUnprocessableEntity, &problem{Text: sentence(err.Error())})
	}
	request.Value = latchkey.Int(n)
	credits, err := v.client.Keys.UpdateCredits(v.ctx(), request, v.once())
	return v.change("Now "+number(credits.Remaining.Or(0))+" credits.", err)
}

// changeGrants adds or removes a role or a permission.
func (v *visit) changeGrants() error {
	id, form := v.r.PathValue("keyId"), v.r.PostForm
	var err error
	done := ""
	switch {
	case form.Get("addRole") != "":
		_, err = v.client.Keys.AddRoles(v.ctx(), latchkey.AddRolesRequest{
			KeyID: id, Roles: []string{strings.TrimSpace(form.Get("addRole"))},
		}, v.once())
		done = "Added the role " + form.Get("addRole") + "."
	case form.Get("removeRole") != "":
		_, err = v.client.Keys.RemoveRoles(v.ctx(), latchkey.RemoveRolesRequest{
			KeyID: id, Roles: []string{form.Get("removeRole")},
		}, v.once())
		done = "Removed the role " + form.Get("removeRole") + "."
	case form.Get("addPermission") != "":
		_, err = v.client.Keys.AddPermissions(v.ctx(), latchkey.AddPermissionsRequest{
			KeyID: id, Permissions: slugs(form.Get("addPermission")),
		}, v.once())
		done = "Added " + form.Get("addPermission") + "."
	case form.Get("removePermission") != "":
		_, err = v.client.Keys.RemovePermissions(v.ctx(), latchkey.RemovePermissionsRequest{
			KeyID: id, Permissions: []string{form.Get("removePermission")},
		}, v.once())
		done = "Removed " + form.Get("removePermission") + ", unless a role has it."
	}
	return v.change(done, err)
}

// deleteKey deletes a key whose name was typed.
func (v *visit) deleteKey() error {
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: v.r.PathValue("keyId")})
	if err != nil {
		return err
	}
	if strings.TrimSpace(v.r.PostFormValue("name")) != strings.TrimSpace(keyName(&key)) {
		return v.showKey(http.StatusUnprocessableEntity,
			&problem{Text: "It was not deleted: the name that you typed is another one."})
	}
	list := v.trailOf(&key)
	err = v.client.Keys.Delete(v.ctx(), latchkey.DeleteKeyRequest{KeyID: key.KeyID}, v.once())
	if err != nil {
		return v.change("", err)
	}
	return v.redirect(list[len(list)-1].Path, "Deleted "+keyName(&key)+". It stopped verifying.")
}

// editKey shows the form of a key.
func (v *visit) editKey() error {
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: v.r.PathValue("keyId")})
	if err != nil {
		return err
	}
	return v.showKeyEdit(http.StatusOK, &key, formOf(&key), formOf(&key), nil)
}

func (v *visit) showKeyEdit(
	status int, key *latchkey.Key, form, was keyForm, wrong *problem,
) error {
	encoded, err := was.Encoded()
	if err != nil {
		return err
	}
	v.write(status, "editkey", page{
		Title: "Edit", Section: "/apis",
		Trail: append(v.trailOf(key), link{keyName(key), "/keys/" + url.PathEscape(key.KeyID)}),
		Data:  keyFormView{Key: key, Form: form, Was: encoded, Problem: wrong},
	})
	return nil
}

// updateKey saves what was changed in the form of a key.
func (v *visit) updateKey() error {
	key, err := v.client.Keys.Get(v.ctx(), latchkey.GetKeyRequest{KeyID: v.r.PathValue("keyId")})
	if err != nil {
		return err
	}
	was, err := decodeForm(v.r.PostFormValue("was"))
	if err != nil {
		was = formOf(&key)
	}
	form := readKeyForm(v.r.PostForm)
	request, wrong := form.update(key.KeyID, was, v.Now())
	if wrong == nil {
		err := v.client.Keys.Update(v.ctx(), request, v.once())
		if err == nil {
			return v.redirect("/keys/"+url.PathEscape(key.KeyID), "Saved "+keyName(&key)+".")
		}
		if wrong = refusal(err); wrong == nil {
			return err
		}
	}
	return v.showKeyEdit(http.StatusUnprocessableEntity, &key, form, was, wrong)
}
