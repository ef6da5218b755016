package ui_test

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

var (
	secretShown = regexp.MustCompile(`data-secret[^>]*>([^<]+)<`)
	rootKeyPath = regexp.MustCompile(`action="(/root-keys/rk_[A-Za-z0-9]+)"`)
	sessionPath = regexp.MustCompile(`action="(/settings/sessions/[^"]+/end)"`)
)

// TestARootKeyIsShownOnce: in the response to the form that made it. The form sent again
// makes no other one.
func TestARootKeyIsShownOnce(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	form := []string{
		"once", "form-1", "name", "<b>gateway</b>", "ends", "30",
		"permission", "api.*.verify_key", "permission", "api.*.read_key",
	}
	first, second := b.post("/root-keys/new", form...), b.post("/root-keys/new", form...)
	secret := secretShown.FindStringSubmatch(first.text)
	if first.status != http.StatusOK || secret == nil {
		t.Fatalf("the form is answered with %d %s", first.status, first.text)
	}
	if again := secretShown.FindStringSubmatch(second.text); again == nil || again[1] != secret[1] {
		t.Errorf("sent again, the form is answered with %d %v", second.status, again)
	}
	if first.header.Get("Cache-Control") != "no-store" {
		t.Error("the secret may be kept")
	}
	page := rootKeyPath.FindStringSubmatch(first.text)[1]
	for _, path := range []string{"/root-keys", page, "/audit", "/root-keys/new"} {
		if a := b.get(path); a.status != http.StatusOK || strings.Contains(a.text, secret[1]) {
			t.Errorf("%s: %d, or it has the secret", path, a.status)
		}
	}
	mine := w.signedIn(secret[1])
	if a := mine.get("/root-keys"); a.status != http.StatusForbidden {
		t.Errorf("a root key for verifying sees root keys: %d", a.status)
	}
	who, err := newClient(t, w, secret[1]).RootKeys.Whoami(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	days := who.Expires.Sub(w.now()).Hours() / 24
	if strings.Join(who.Permissions, " ") != "api.*.read_key api.*.verify_key" || days != 30 {
		t.Errorf("it can %v for %v days", who.Permissions, days)
	}
	// Disabled, it ends the session that it began.
	if a := b.post(page, "once", "off", "enabled", "false"); a.leads() != page {
		t.Fatalf("disabling leads to %q with %d", a.leads(), a.status)
	}
	if a := mine.get("/settings"); a.leads() != "/sign-in" {
		t.Errorf("its session goes on: %d", a.status)
	}
	if a := b.post(page+"/delete", "once", "no", "name", "gateway"); a.status != 422 {
		t.Errorf("deleted by another name: %d", a.status)
	}
	if a := b.post(page+"/delete", "name", "<b>gateway</b>"); a.leads() != "/root-keys" {
		t.Fatalf("deleting leads to %q with %d", a.leads(), a.status)
	}
	if a := b.get(page); a.status != http.StatusNotFound {
		t.Errorf("its page: %d", a.status)
	}
}

func newClient(t *testing.T, w *world, rootKey string) *latchkey.Client {
	t.Helper()
	client, err := latchkey.New(latchkey.Config{BaseURL: w.url, RootKey: rootKey})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestNobodyHandsOnMoreThanHeHolds: the form says so before, the service in any case, and
// what was typed stays.
func TestNobodyHandsOnMoreThanHeHolds(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.rootKey("root_key.*.create_root_key", "api.*.verify_key").Key)
	form := b.get("/root-keys/new?for=all").text
	for name, disabled := range map[string]bool{"api.*.verify_key": false, "api.*.delete_key": true} {
		box := regexp.MustCompile(`value="` + regexp.QuoteMeta(name) + `"[^>]*>`).FindString(form)
		if box == "" || strings.Contains(box, "disabled") != disabled {
			t.Errorf("the box of %s is %q", name, box)
		}
	}
	a := b.post("/root-keys/new", "once", "1", "name", "too much", "permission", "api.*.delete_key")
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, `value="too much"`) ||
		!strings.Contains(a.text, "Not saved") {
		t.Errorf("more than he holds: %d %s", a.status, a.text)
	}
	if a := b.post("/root-keys/new", "once", "2", "name", "nothing"); a.status != 422 {
		t.Errorf("no permission at all: %d", a.status)
	}
}

// TestPurposesHoldWhatTheTableHas: each purpose chooses something, and no permission is
// without a group and a text.
func TestPurposesHoldWhatTheTableHas(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	for _, purpose := range []string{"checking", "issuing", "limits", "reading", "all"} {
		form := b.get("/root-keys/new?for=" + purpose).text
		checked := strings.Count(form, " checked")
		all := len(latchkey.AllPermissions())
		if checked == 0 || (purpose == "all") != (checked == all) {
			t.Errorf("for %s %d of %d are checked", purpose, checked, all)
		}
		for _, p := range latchkey.AllPermissions() {
			if !strings.Contains(form, `value="`+p+`"`) {
				t.Errorf("%s is missing", p)
			}
		}
	}
	if strings.Contains(b.get("/root-keys/new?for=nothing").text, " checked") {
		t.Error("a purpose that isn't known chooses something")
	}
}

// TestSessionsAreEndedInTheSettings: only those of the same root key.
func TestSessionsAreEndedInTheSettings(t *testing.T) {
	w := open(t)
	key := w.rootKey("api.*.read_api").Key
	mine, other := w.signedIn(key), w.signedIn(key)
	operator := w.signedIn(w.RootKey)
	ends := sessionPath.FindAllStringSubmatch(mine.get("/settings").text, -1)
	if len(ends) != 2 {
		t.Fatalf("%d sessions are shown", len(ends))
	}
	signedIn := func() (n int) {
		for _, b := range []*browser{mine, other, operator} {
			if b.get("/settings").status == http.StatusOK {
				n++
			}
		}
		return n
	}
	for _, end := range ends {
		operator.post(end[1]) // they aren't his
	}
	if n := signedIn(); n != 3 {
		t.Errorf("%d browsers are signed in after another root key tried to end sessions", n)
	}
	if mine.post(ends[0][1]); signedIn() != 2 {
		t.Errorf("%d browsers are signed in after one session of two was ended", signedIn())
	}
}

// TestWorkspacesAreChangedByTheOperatorOnly, and what is wrong is said beside the form.
func TestWorkspacesAreChangedByTheOperatorOnly(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	a := b.post("/workspaces", "once", "1", "name", "staging")
	page := a.leads()
	if !strings.HasPrefix(page, "/workspaces/ws_") {
		t.Fatalf("creating leads to %q with %d", page, a.status)
	}
	a = b.post(page, "once", "2", "name", "staging 2", "requestsPerMinute", "60")
	if a.leads() != page {
		t.Fatalf("saving leads to %q with %d", a.leads(), a.status)
	}
	text := b.get(page).text
	if !strings.Contains(text, "staging 2") || !strings.Contains(text, `value="60"`) {
		t.Error("what was saved isn't shown")
	}
	for _, wrong := range []url.Values{
		{"name": {"x"}, "requestsPerMinute": {"many"}}, {"name": {"x"}, "requestsPerMinute": {"-1"}},
		{"name": {""}},
	} {
		if a := b.send(http.MethodPost, page, wrong); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", wrong, a.status)
		}
	}
	tenant := w.signedIn(w.rootKey(latchkey.AllPermissions()...).Key)
	for _, path := range []string{"/workspaces", page} {
		if a := tenant.get(path); a.status != http.StatusForbidden {
			t.Errorf("a tenant sees %s: %d", path, a.status)
		}
		if a := tenant.post(path, "name", "mine", "enabled", "false"); a.status < 400 {
			t.Errorf("a tenant changes %s: %d", path, a.status)
		}
	}
}

// TestWebhooksAreManaged: the secret is shown once, deliveries are listed, and what the
// service refuses is said beside the form.
func TestWebhooksAreManaged(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	form := []string{"once", "1", "url", "https://example.com/hook", "event", "key.created"}
	secret := secretShown.FindStringSubmatch(b.post("/webhooks/new", form...).text)
	if secret == nil {
		t.Fatal("no secret is shown")
	}
	list := b.get("/webhooks").text
	page := regexp.MustCompile(`href="(/webhooks/[a-z]+_[A-Za-z0-9]+)"`).FindStringSubmatch(list)
	if page == nil || strings.Contains(list+b.get(page[1]).text, secret[1]) {
		t.Fatalf("the pages are %v, or they have the secret", page)
	}
	if a := b.post(page[1]+"/test", "once", "2"); a.leads() != page[1] {
		t.Errorf("a test leads to %q with %d", a.leads(), a.status)
	}
	if a := b.get(page[1]); !strings.Contains(a.text, "<summary>webhook.test</summary>") {
		t.Error("the test isn't in the list")
	}
	if a := b.post("/webhooks/new", "once", "3", "url", "http://127.0.0.1/"); a.status != 422 ||
		!strings.Contains(a.text, `value="http://127.0.0.1/"`) {
		t.Errorf("a wrong URL: %d", a.status)
	}
	again := secretShown.FindStringSubmatch(b.post(page[1]+"/secret", "once", "4").text)
	if again == nil || again[1] == secret[1] {
		t.Errorf("a new secret: %v", again)
	}
	if a := b.post(page[1], "once", "5", "enabled", "false"); a.leads() != page[1] ||
		!strings.Contains(b.get(page[1]).text, "Disabled") {
		t.Errorf("disabling leads to %q with %d", a.leads(), a.status)
	}
	if a := b.post(page[1]+"/delete", "once", "6"); a.leads() != "/webhooks" {
		t.Errorf("deleting leads to %q with %d", a.leads(), a.status)
	}
}

// TestHealthIsForTheOperator, and says in words that all is well.
func TestHealthIsForTheOperator(t *testing.T) {
	w := open(t)
	a := w.signedIn(w.RootKey).get("/status")
	if a.status != http.StatusOK || !strings.Contains(a.text, "SQLite") ||
		!strings.Contains(a.text, "None lost") {
		t.Errorf("the operator sees %d %s", a.status, a.text)
	}
	if !strings.Contains(a.text, "All well") && !strings.Contains(a.text, "almost full") {
		t.Errorf("a new service isn't well: %s", a.text)
	}
	tenant := w.signedIn(w.rootKey(latchkey.AllPermissions()...).Key)
	if a := tenant.get("/status"); a.status != http.StatusForbidden ||
		strings.Contains(tenant.get("/audit").text, `href="/status"`) {
		t.Errorf("a tenant sees %d", a.status)
	}
}

// TestAllEventsCanBeChosen: the form has those that the API takes.
func TestAllEventsCanBeChosen(t *testing.T) {
	field, _ := reflect.TypeFor[latchkey.CreateWebhookRequest]().FieldByName("Events")
	_, names, _ := strings.Cut(field.Tag.Get("check"), "items.enum=")
	w := open(t)
	form := w.signedIn(w.RootKey).get("/webhooks/new").text
	for name := range strings.SplitSeq(names, "|") {
		if !strings.Contains(form, `value="`+name+`"`) {
			t.Errorf("the form doesn't have %q", name)
		}
	}
}

// TestTheAuditLogIsFiltered by its URL, and shows what an update changed.
func TestTheAuditLogIsFiltered(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.RootKey)
	api, err := w.Client.APIs.Create(t.Context(), latchkey.CreateAPIRequest{Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.Client.Keys.Create(t.Context(), latchkey.CreateKeyRequest{
		APIID: api.APIID, Name: "before",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Keys.Update(t.Context(), latchkey.UpdateKeyRequest{
		KeyID: key.KeyID, Name: latchkey.Set("after"),
	}); err != nil {
		t.Fatal(err)
	}
	if a := b.get("/audit"); !strings.Contains(a.text, "<del>before</del><ins>after</ins>") {
		t.Error("the change isn't shown")
	}
	for query, want := range map[string]bool{
		"event=key.create": false, "event=key.update": true, "target=" + key.KeyID: true,
		"target=" + api.APIID + "x": false, "actor=nobody": false, "q=AFTER": true, "since=1h": true,
	} {
		if a := b.get("/audit?" + query); a.status != 200 ||
			strings.Contains(a.text, "<ins>after</ins>") != want {
			t.Errorf("%s: %d, the update is shown: %v", query, a.status, !want)
		}
	}
	w.advance(2 * time.Hour)
	if strings.Contains(b.get("/audit?since=1h").text, "<ins>after</ins>") {
		t.Error("an old record is shown")
	}
}

// TestTheDocumentationIsSearched without a page outside of it.
func TestTheDocumentationIsSearched(t *testing.T) {
	w := open(t)
	b := w.signedIn(w.rootKey("api.*.read_api").Key)
	a := b.get("/docs?q=idempotency")
	if a.status != http.StatusOK || !strings.Contains(a.text, "<mark>") {
		t.Errorf("a search: %d", a.status)
	}
	for _, path := range []string{"/docs/nothing", "/docs/..%2fREADME", "/docs/embed.go"} {
		if a := b.get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
