package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// keyFormView is what the forms of keys show.
type keyFormView struct {
	API      latchkey.API
	Key      *latchkey.Key // that is changed; nil for a new one
	Form     keyForm
	Was      string   // the form as it was shown first
	Roles    []string // that there are
	Problem  *problem
	Request  latchkey.CreateKeyRequest // for a new key
	Examples []example
}

// Says are what the request means, in words.
func (v keyFormView) Says() keyWords { return wordsOf(&v.Request) }

// newKey shows the form of a new key.
func (v *visit) newKey() error {
	form := keyForm{Interval: "monthly", Day: "1"}
	return v.showKeyForm(http.StatusOK, form, nil)
}

// showKeyForm shows the form of a new key with its fields filled in.
func (v *visit) showKeyForm(status int, form keyForm, wrong *problem) error {
	api, err := v.client.APIs.Get(v.ctx(), latchkey.GetAPIRequest{APIID: v.r.PathValue("apiId")})
	if err != nil {
		return err
	}
	view := keyFormView{API: api, Form: form, Problem: wrong, Roles: v.roleNames()}
	view.Request, _ = form.create(api.ID, v.Now())
	view.Examples = examplesOf("keys.createKey", view.Request)
	v.write(status, "newkey", page{
		Title: "Create a key", Section: "/apis",
		Trail: []link{{"APIs", "/apis"}, {api.Name, "/apis/" + api.ID}}, Data: view,
	})
	return nil
}

// roleNames returns the names of roles to choose from, none if the root key can't list them.
func (v *visit) roleNames() (names []string) {
	if !v.who.can["permissions.listRoles"] {
		return nil
	}
	roles, err := v.client.Permissions.ListRoles(v.ctx(), latchkey.ListRolesRequest{Limit: 50})
	if err != nil {
		return nil // the form works without
	}
	for _, role := range roles.Data {
		names = append(names, role.Name)
	}
	return names
}

// createdView is what the page of a new key shows, once.
type createdView struct {
	API      latchkey.API
	Name     string
	Created  latchkey.CreatedKey
	Request  latchkey.CreateKeyRequest
	Examples []example
}

// Says are what was made, in words.
func (v createdView) Says() keyWords { return wordsOf(&v.Request) }

// createKey creates a key and shows it. Sent again within a day, the form shows the same key.
func (v *visit) createKey() error {
	form := readKeyForm(v.r.PostForm)
	if v.r.PostForm.Has("preview") {
		return v.showKeyForm(http.StatusOK, form, nil)
	}
	request, wrong := form.create(v.r.PathValue("apiId"), v.Now())
	if wrong != nil {
		return v.showKeyForm(http.StatusUnprocessableEntity, form, wrong)
	}
	created, err := v.client.Keys.Create(v.ctx(), request, v.once())
	if err != nil {
		if wrong := refusal(err); wrong != nil {
			return v.showKeyForm(http.StatusUnprocessableEntity, form, wrong)
		}
		return err
	}
	return v.showSecret(request, created)
}

// showSecret shows a new key, once.
func (v *visit) showSecret(request latchkey.CreateKeyRequest, created latchkey.CreatedKey) error {
	api := latchkey.API{ID: request.APIID, Name: request.APIID}
	if found, err := v.client.APIs.Get(v.ctx(), latchkey.GetAPIRequest{
		APIID: request.APIID,
	}); err == nil { // the key is made, and is shown whatever else happens
		api = found
	}
	name := request.Name
	if name == "" {
		name = "The key"
	}
	verify := latchkey.VerifyKeyRequest{Key: "$KEY"}
	if len(request.Permissions) > 0 {
		verify.Permissions = latchkey.PermissionQuery(request.Permissions[0])
	}
	return v.show("created", page{
		Title: name + " is ready", Section: "/apis",
		Trail: []link{{"APIs", "/apis"}, {api.Name, "/apis/" + url.PathEscape(api.ID)}},
		Data: createdView{
			API: api, Name: name, Created: created, Request: request,
			Examples: examplesOf("keys.verifyKey", verify),
		},
	})
}

// keyWords is a key in words.
type keyWords struct {
	Owner   string
	May     int // roles and permissions
	Limits  []string
	Credits string
	Ends    time.Time
}

// wordsOf returns what a request means.
func wordsOf(r *latchkey.CreateKeyRequest) keyWords {
	w := keyWords{Owner: r.ExternalID, May: len(r.Roles) + len(r.Permissions), Ends: r.Expires.Time}
	for _, l := range r.Ratelimits {
		text := number(l.Limit) + " calls " + duration(l.Duration)
		if !l.AutoApply.Or(true) {
			text += " where a call names " + l.Name
		}
		w.Limits = append(w.Limits, text)
	}
	w.Credits = creditWords(r.Credits)
	return w
}

// creditWords returns what a balance means: "1 000 calls now, and 5 000 again each day".
func creditWords(c *latchkey.Credits) string {
	if c == nil {
		return ""
	}
	left, limited := c.Remaining.Get()
	if !limited {
		return ""
	}
	text := number(left) + " calls"
	if c.Refill != nil {
		text += " now, and " + number(c.Refill.Amount) + " again " + refillWords(c.Refill)
	}
	return text
}

func refillWords(r *latchkey.Refill) string {
	if r.Interval == latchkey.Daily {
		return "each day at 00:00 UTC"
	}
	return "on day " + number(int64(max(1, r.RefillDay))) + " of each month at 00:00 UTC"
}

// example is a call in a language.
type example struct{ Language, ID, Code string }

// examplesOf returns a call in each language. Secrets are variables of the environment.
func examplesOf(operation string, request any) []example {
	body, err := json.MarshalIndent(request, "", "  ")
	if err != nil {
		return nil
	}
	text := bidi.Replace(string(body))
	noun, verb, _ := strings.Cut(operation, ".")
	shell := strings.ReplaceAll(text, "'", `'\''`)
	if strings.Contains(text, `"$KEY"`) {
		shell = strings.ReplaceAll(shell, `"$KEY"`, `"'"$KEY"'"`)
	}
	return []example{
		{"curl", "curl", "curl $LATCHKEY_URL/v2/" + operation + " \\\n" +
			"  -H \"Authorization: Bearer $LATCHKEY_ROOT_KEY\" \\\n" +
			"  -H \"Content-Type: application/json\" \\\n  -d '" + shell + "'"},
		{"TypeScript", "ts", "import { Unkey } from \"@unkey/api\";\n\nconst unkey = new Unkey({\n" +
			"  serverURL: process.env.LATCHKEY_URL,\n  rootKey: process.env.LATCHKEY_ROOT_KEY,\n});\n" +
			"const result = await unkey." + noun + "." + verb + "(" +
			strings.ReplaceAll(text, `"$KEY"`, "process.env.KEY") + ");"},
		{"Python", "py", "import json, os, requests\n\nresponse = requests.post(\n" +
			"    os.environ[\"LATCHKEY_URL\"] + \"/v2/" + operation + "\",\n" +
			"    headers={\"Authorization\": \"Bearer \" + os.environ[\"LATCHKEY_ROOT_KEY\"]},\n" +
			"    json=" + python(text) + ",\n)"},
		{"Go", "go", "client, err := latchkey.FromEnv()\n…\ndata, _, err := client.Call(ctx, \"" +
			operation + "\", json.RawMessage(`" + strings.ReplaceAll(text, "`", "` + \"`\" + `") + "`))"},
	}
}

// python returns JSON as a Python expression.
func python(text string) string {
	text = strings.ReplaceAll(text, `"$KEY"`, `os.environ["KEY"]`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		for of, is := range map[string]string{"true": "True", "false": "False", "null": "None"} {
			for _, end := range []string{"", ","} {
				if rest, ok := strings.CutSuffix(line, ": "+of+end); ok {
					line = rest + ": " + is + end
				}
			}
		}
		lines[i] = line
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), "\n", "\n    ")
}
