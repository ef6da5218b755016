package ui_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

func trustLoopback(t *testing.T) func(*embedded.Config) {
	t.Helper()
	return func(cfg *embedded.Config) {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
}

// hostile are texts of users that try to become markup, style or script.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`,
	`</title><script>alert(1)</script>`, `<svg/onload=alert(1)>`, `{{.Who}}`,
	`javascript:alert(1)`, `</textarea><script>alert(1)</script>`, "a\u202eb\u2066c",
	`--><script>alert(1)</script>`, `" onfocus=alert(1) autofocus="`, `&lt;script&gt;`,
}

// shop is a service with something of everything, whose texts are hostile.
type shop struct {
	*world
	api, key, identity, namespace, rootKeyID, workspace, webhook string
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{world: open(t)}
	ctx, c := t.Context(), s.Client
	for _, text := range hostile {
		api, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: text})
		if err != nil {
			t.Fatal(err)
		}
		s.api = api.APIID
		rootKey, err := c.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
			Name: text, Permissions: []string{"api.*.verify_key"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.rootKeyID = rootKey.RootKeyID
		workspace, err := c.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{Name: text})
		if err != nil {
			t.Fatal(err)
		}
		s.workspace = workspace.WorkspaceID
		webhook, err := c.Webhooks.Create(ctx, latchkey.CreateWebhookRequest{
			URL: "https://example.com/", Description: text, Events: []string{"key.created"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.webhook = webhook.WebhookID
	}
	for _, text := range hostile {
		meta, err := latchkey.MetaOf(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		key, err := c.Keys.Create(ctx, latchkey.CreateKeyRequest{
			APIID: s.api, Name: text, Meta: meta, ExternalID: "user_1",
			Credits: &latchkey.Credits{Remaining: latchkey.Int(0)},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.key = key.KeyID
	}
	identity, err := c.Identities.Get(ctx, latchkey.GetIdentityRequest{Identity: "user_1"})
	if err != nil {
		t.Fatal(err)
	}
	s.identity = identity.ID
	for _, text := range hostile {
		if _, err := c.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{
			Name: text, Description: text, Permissions: []string{"docs.read"},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Ratelimits.Limit(ctx, latchkey.LimitRequest{
			Namespace: text, Identifier: text, Limit: 1, Duration: latchkey.PerMilli(60_000),
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
			Namespace: text, Identifier: text, Limit: latchkey.Int(2),
			Duration: latchkey.PerMilli(60_000),
		}); err != nil {
			t.Fatal(err)
		}
	}
	spaces, err := c.Ratelimits.ListNamespaces(ctx, latchkey.ListNamespacesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s.namespace = spaces.Data[0].ID
	return s
}

// path puts the ids of the shop into the path of a route.
func (s *shop) path(pattern string) string {
	_, path, _ := strings.Cut(pattern, " ")
	return strings.NewReplacer("{$}", "", "{apiId}", s.api, "{keyId}", s.key,
		"{identityId}", s.identity, "{namespaceId}", s.namespace,
		"{rootKeyId}", s.rootKeyID, "{workspaceId}", s.workspace,
		"{webhookId}", s.webhook,
		"{page}", "performance",
	).Replace(path)
}

// dangerous finds markup that no template has, links to scripts, and characters that change
// the order of others. Values of attributes have been emptied.
var dangerous = regexp.MustCompile(`(?i)<script>|<img|<svg/|<[^<>]*\s(on[a-z]+|style|autofocus)=|` +
	`[\x{202a}-\x{202e}\x{2066}-\x{2069}]`)

var (
	quoted  = regexp.MustCompile(`="[^"]*"`)
	scripty = regexp.MustCompile(`(?i)(href|src|action)="\s*javascript:`)
)

// TestTextsOfUsersStayText on every page, and no page has a script or a style of its own.
func TestTextsOfUsersStayText(t *testing.T) {
	s := openShop(t)
	b := s.signedIn(s.RootKey)
	for _, pattern := range getRoutes() {
		a := b.get(s.path(pattern))
		if a.status >= 400 {
			t.Errorf("%s: %d", pattern, a.status)
		}
		if found := dangerous.FindString(quoted.ReplaceAllString(a.text, `=""`)); found != "" {
			t.Errorf("%s has %q", pattern, found)
		}
		if found := scripty.FindString(a.text); found != "" {
			t.Errorf("%s has %q", pattern, found)
		}
		if a.status == http.StatusOK && a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s has no policy", pattern)
		}
	}
	if a := b.get("/apis"); !strings.Contains(a.text, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the list has no hostile text")
	}
}

// TestNothingIsShownThatTheRootKeyCantSee: each page of a root key without permissions is
// refused, or has nothing of the workspace.
func TestNothingIsShownThatTheRootKeyCantSee(t *testing.T) {
	s := openShop(t)
	b := s.signedIn(s.rootKey("migration.*.create_migration").Key)
	for _, pattern := range getRoutes() {
		a := b.get(s.path(pattern))
		if strings.Contains(a.text, "alert(1)") || strings.Contains(a.text, "user_1") {
			t.Errorf("%s shows data with %d", pattern, a.status)
		}
	}
	a := b.get("/apis")
	if a.status != http.StatusForbidden || !strings.Contains(a.text, "Not allowed") ||
		!strings.Contains(a.text, "read_api") {
		t.Errorf("the list of APIs: %d %s", a.status, a.text)
	}
	if a := b.get("/more"); strings.Contains(a.text, `href="/apis"`) {
		t.Error("the navigation leads to a page that shows nothing")
	}
}

// TestTheAPIStaysAsItIs beside the dashboard, and without it.
func TestTheAPIStaysAsItIs(t *testing.T) {
	off := open(t, func(cfg *embedded.Config) { cfg.UI = embedded.UIOff })
	if off.Dashboard != nil || off.Welcome != "" {
		t.Error("there is a dashboard that is off")
	}
	apart := open(t, func(cfg *embedded.Config) { cfg.UIApart = true })
	for _, w := range []*world{open(t), off, apart} {
		b := w.browser()
		for path, want := range map[string]int{
			"/health/live": 200, "/health/ready": 200, "/reference": 200, "/openapi.json": 200,
			"/v2/liveness": 200, "/v2/nothing": 404, "/nothing": 404, "/v1/keys": 404,
			"/assets/../v2/liveness": 404,
		} {
			if a := b.get(path); a.status != want {
				t.Errorf("%s: %d, want %d", path, a.status, want)
			}
		}
		if a := b.get("/"); (a.leads() == "/sign-in") != (w != off && w != apart) {
			t.Errorf("/ leads to %q with %d", a.leads(), a.status)
		}
	}
}

// forbidden are what a strict policy doesn't run.
var forbidden = regexp.MustCompile(
	`(?i)<style|style=|<script(\s[^>]*)?>[^<]|\son[a-z]+=|hx-on|hx-vals="js|hx-headers="js|https?://`)

// TestTemplatesNeedNoInlineCode: the policy would refuse it in silence.
func TestTemplatesNeedNoInlineCode(t *testing.T) {
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s has %q", file, found)
		}
	}
}

// asset finds the files that a page loads.
var asset = regexp.MustCompile(`/assets/[^"#)]+`)

// TestPagesAreSmall: a first visit takes at most 120 KB, a later page at most 20.
func TestPagesAreSmall(t *testing.T) {
	s := openShop(t)
	b := s.signedIn(s.RootKey)
	page := b.get("/apis/" + s.api)
	style := b.get(regexp.MustCompile(`/assets/style[^"]+`).FindString(page.text))
	files := map[string]bool{}
	for _, path := range asset.FindAllString(page.text+style.text, -1) {
		files[path] = true
	}
	first := zipped(t, page.text)
	if first > 20<<10 {
		t.Errorf("the page takes %d bytes", first)
	}
	for path := range files {
		a := b.get(path)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
		size := min(len(a.text), zipped(t, a.text))
		t.Logf("%s: %d bytes", path, size)
		first += size
	}
	if len(files) < 5 || first > 120<<10 {
		t.Errorf("%d files, %d bytes", len(files), first)
	}
}

func zipped(t *testing.T, text string) int {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}
