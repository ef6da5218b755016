package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

func (w *world) newIdentity(r latchkey.CreateIdentityRequest) string {
	w.t.Helper()
	return must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity", r).IdentityID
}

func (w *world) identity(name string) latchkey.Identity {
	w.t.Helper()
	return must[latchkey.Identity](w, w.who, "identities.getIdentity", getIdentity(name))
}

func (w *world) deleteIdentity(name string) {
	w.t.Helper()
	if answer, err := w.do(w.who, "identities.deleteIdentity", getIdentity(name)); err != nil ||
		answer.Data != nil {
		w.t.Fatalf("answer %v, %v; want none", answer.Data, err)
	}
}

func getIdentity(name string) latchkey.GetIdentityRequest {
	return latchkey.GetIdentityRequest{Identity: name}
}

// perMinute is a rate limit request.
func perMinute(name string, n int64) latchkey.RatelimitRequest {
	return latchkey.RatelimitRequest{
		Name: name, Limit: n, Duration: latchkey.Per(time.Minute), AutoApply: latchkey.Set(true),
	}
}

func TestGetIdentityReturnsWhatWasCreated(t *testing.T) {
	w := newWorld(t)
	bare := w.newIdentity(latchkey.CreateIdentityRequest{
		ExternalID: "bare", Meta: "{}", Ratelimits: []latchkey.RatelimitRequest{},
	})
	diff(t, w.identity("bare"), latchkey.Identity{ID: bare, ExternalID: "bare"})

	id := w.newIdentity(latchkey.CreateIdentityRequest{
		ExternalID: "User-1._", Meta: `{"plan":"pro","n":12345678901234567890}`,
		Ratelimits: []latchkey.RatelimitRequest{
			perMinute("tokens", 9), perMinute("requests", 1), perMinute("tokens", 5),
		},
	})
	got := w.identity("User-1._")
	for i := range got.Ratelimits {
		if !strings.HasPrefix(got.Ratelimits[i].ID, "rl_") {
			t.Errorf("rate limit id %q", got.Ratelimits[i].ID)
		}
		got.Ratelimits[i].ID = ""
	}
	meta := latchkey.Meta(`{"n":12345678901234567890,"plan":"pro"}`)
	limits := []latchkey.Ratelimit{
		{Name: "requests", Limit: 1, Duration: latchkey.Per(time.Minute), AutoApply: true},
		{Name: "tokens", Limit: 5, Duration: latchkey.Per(time.Minute), AutoApply: true},
	}
	diff(t, got, latchkey.Identity{
		ID: id, ExternalID: "User-1._", Meta: meta, Ratelimits: limits,
	})
}

func TestIdentitiesAreFoundByIDAndExternalID(t *testing.T) {
	w := newWorld(t)
	a := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice"})
	// its external id is the other's id
	b := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: a})
	for name, want := range map[string]string{a: a, "alice": a, b: b} {
		if got := w.identity(name).ID; got != want {
			t.Errorf("%q finds %s, want %s", name, got, want)
		}
	}
	w.refused(w.who, "identities.getIdentity", getIdentity("Alice"), 404, "identity_not_found")
	w.refused(w.who, "identities.getIdentity", getIdentity("ali%"), 404, "identity_not_found")
	w.refused(w.otherWorkspace(), "identities.getIdentity", getIdentity(a), 404,
		"identity_not_found")
}

func TestExternalIDsAreUniqueInAWorkspace(t *testing.T) {
	w := newWorld(t)
	id := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice", Meta: `{"v":1}`})
	w.refused(w.who, "identities.createIdentity",
		latchkey.CreateIdentityRequest{ExternalID: "alice", Meta: `{"v":2}`}, 409,
		"identity_already_exists")
	diff(t, w.identity("alice"), latchkey.Identity{ID: id, ExternalID: "alice", Meta: `{"v":1}`})
	w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "Alice"})
	must[latchkey.CreatedIdentity](w, w.otherWorkspace(), "identities.createIdentity",
		latchkey.CreateIdentityRequest{ExternalID: "alice"})

	diff(t, w.outcomes(10, func(i int) (string, any) {
		return "identities.createIdentity", latchkey.CreateIdentityRequest{
			ExternalID: "race",
			Ratelimits: []latchkey.RatelimitRequest{perMinute("requests", int64(i+1))},
		}
	}), map[int]int{200: 1, 409: 9})
	if n := len(w.identity("race").Ratelimits); n != 1 {
		t.Errorf("%d rate limits after a race, want those of the winner", n)
	}
}

func TestIdentityOperationsNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	id := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice"})
	ws := "unkey:v1:" + w.who.WorkspaceID() + ":"
	all := func(action string) [][]string {
		return [][]string{
			{"identity.*." + action}, {ws + "projects/*/identities/*#" + action}, {ws + "**#*"},
		}
	}
	not := func(action string) [][]string {
		return [][]string{
			{"identity.alice." + action}, {"identity.*.*"}, {"*"},
		}
	}
	one := []string{"identity." + id + ".read_identity"}
	for _, n := range []need{
		{"identities.createIdentity", latchkey.CreateIdentityRequest{ExternalID: "bob"},
			all("create_identity"), not("create_identity")},
		{"identities.createIdentity", latchkey.CreateIdentityRequest{ExternalID: "alice"}, nil,
			not("create_identity")},
		{"identities.getIdentity", getIdentity("alice"), append(all("read_identity"), one),
			not("read_identity")},
		{"identities.updateIdentity", getIdentity(id), all("update_identity"),
			append(not("update_identity"), []string{"identity." + id + ".update_identity"})},
		{"identities.updateIdentity", getIdentity("nobody"), nil, not("update_identity")},
		{"identities.deleteIdentity", getIdentity("nobody"), all("delete_identity"),
			not("delete_identity")},
		{"identities.deleteIdentity", getIdentity(id), nil,
			append(not("delete_identity"), []string{"identity." + id + ".delete_identity"})},
	} {
		n.holds(w)
	}
	w.refused(w.grant(useless), "identities.getIdentity", getIdentity("nobody"), 404,
		"identity_not_found")
}

func TestAnIdentityListNeedsPermissionForEachRow(t *testing.T) {
	w := newWorld(t)
	none, list := w.grant(useless), "identities.listIdentities"
	page := must[[]latchkey.Identity](w, none, list, latchkey.ListIdentitiesRequest{})
	if page == nil || len(page) != 0 {
		t.Errorf("empty list is %v", page)
	}
	a := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "a"})
	b := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "b"})
	firstRow := min(a, b)
	must[[]latchkey.Identity](w, w.grant("identity."+firstRow+".read_identity"), list,
		latchkey.ListIdentitiesRequest{Limit: 1})
	onlyA := w.grant("identity." + a + ".read_identity")
	w.refused(none, list, latchkey.ListIdentitiesRequest{}, 403, "insufficient_permissions")
	w.refused(onlyA, list, latchkey.ListIdentitiesRequest{}, 403, "insufficient_permissions")
	must[[]latchkey.Identity](w, onlyA, list, latchkey.ListIdentitiesRequest{Search: a})
	must[[]latchkey.Identity](w,
		w.grant("identity."+a+".read_identity", "identity."+b+".read_identity"), list,
		latchkey.ListIdentitiesRequest{})
	_, err := w.do(onlyA, list, latchkey.ListIdentitiesRequest{})
	if text := err.Error(); strings.Contains(text, a) || strings.Contains(text, b) {
		t.Errorf("the refusal tells of an identity: %s", text)
	}
}

func TestUpdateIdentityChangesOnlyTheGivenFields(t *testing.T) {
	w := newWorld(t)
	id := w.newIdentity(latchkey.CreateIdentityRequest{
		ExternalID: "alice", Meta: `{"v":1}`,
		Ratelimits: []latchkey.RatelimitRequest{perMinute("one", 1)},
	})
	update := func(r latchkey.UpdateIdentityRequest) (latchkey.Identity, latchkey.Identity) {
		t.Helper()
		r.Identity = "alice"
		return must[latchkey.Identity](w, w.who, "identities.updateIdentity", r), w.identity(id)
	}
	limits := w.identity(id).Ratelimits

	said, is := update(latchkey.UpdateIdentityRequest{})
	diff(t, said, latchkey.Identity{ID: id, ExternalID: "alice", Ratelimits: limits})
	diff(t, is, latchkey.Identity{ID: id, ExternalID: "alice", Meta: `{"v":1}`, Ratelimits: limits})

	said, is = update(latchkey.UpdateIdentityRequest{Meta: latchkey.Set[latchkey.Meta](`{"w":2}`)})
	diff(t, said, latchkey.Identity{
		ID: id, ExternalID: "alice", Meta: `{"w":2}`, Ratelimits: limits,
	})
	diff(t, is, said)

	said, is = update(latchkey.UpdateIdentityRequest{
		Meta:       latchkey.Set[latchkey.Meta](`{}`),
		Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{}),
	})
	diff(t, said, latchkey.Identity{
		ID: id, ExternalID: "alice", Ratelimits: []latchkey.Ratelimit{},
	})
	diff(t, is, latchkey.Identity{ID: id, ExternalID: "alice"})
}

// TestADisabledIdentityDisablesItsKeysAtOnce: those that it has, those that it gets, and no
// others; and its own settings of the keys stay.
func TestADisabledIdentityDisablesItsKeysAtOnce(t *testing.T) {
	w := newWorld(t)
	api := w.newAPI()
	key := func(owner string) string {
		return w.newKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: owner}).Key
	}
	want := func(when, key string, code latchkey.Code) {
		t.Helper()
		v := w.verify(key)
		if v.Code != code || v.Enabled != latchkey.Set(true) {
			t.Errorf("%s: %s, enabled %v; want %s, true", when, v.Code, v.Enabled, code)
		}
	}
	set := func(enabled bool) latchkey.Identity {
		return must[latchkey.Identity](w, w.who, "identities.updateIdentity",
			latchkey.UpdateIdentityRequest{Identity: "theirs", Enabled: latchkey.Set(enabled)})
	}
	first, other := key("theirs"), key("another")
	want("before", first, latchkey.Valid)
	if shown := set(false); !shown.Disabled {
		t.Error("the response does not show that the identity is disabled")
	}
	want("disabled", first, latchkey.Disabled)
	want("of another identity", other, latchkey.Valid)
	want("created later", key("theirs"), latchkey.Disabled)
	if v := w.verify(first); !v.Identity.Disabled {
		t.Error("the verification does not show that the identity is disabled")
	}
	if shown := w.identity("theirs"); !shown.Disabled {
		t.Error("identities.getIdentity does not show that the identity is disabled")
	}
	if shown := set(true); shown.Disabled {
		t.Error("the response shows the identity as disabled")
	}
	want("enabled again", first, latchkey.Valid)
}

func TestUpdateIdentityChecksInTheDocumentedOrder(t *testing.T) {
	w := newWorld(t)
	twice := latchkey.Set([]latchkey.RatelimitRequest{
		perMinute("requests", 1), perMinute("requests", 2),
	})
	repeated := latchkey.UpdateIdentityRequest{Identity: "nobody", Ratelimits: twice}
	w.refused(w.grant(useless), "identities.updateIdentity", repeated, 403,
		"insufficient_permissions")
	if f := w.faultOf(w.who, "identities.updateIdentity", repeated); !strings.Contains(
		f.Message, `"requests"`,
	) {
		t.Errorf("the fault does not name what repeats: %+v", f)
	}
	w.refused(w.who, "identities.updateIdentity", getIdentity("nobody"), 404, "identity_not_found")
}

// A replacement of limits is compared with the plainest model of one.
func TestLimitsAreReplacedByName(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		owner := latchkey.AuditTarget{Type: "identity", ID: NewID("id")}
		ids := make(map[string]string)
		for range rapid.IntRange(1, 4).Draw(t, "updates") {
			requests := rapid.SliceOfN(rapid.Custom(drawLimit), 0, 6).Draw(t, "limits")
			want := make(map[string]latchkey.Ratelimit)
			for _, r := range requests {
				want[r.Name] = latchkey.Ratelimit{
					ID: ids[r.Name], Name: r.Name, Limit: r.Limit, Duration: r.Duration,
					AutoApply: r.AutoApply.Or(false),
				}
			}
			limits, err := change(context.Background(), w.Engine, w.who, func(
				ctx context.Context, c *Change,
			) ([]latchkey.Ratelimit, error) {
				return c.setLimits(ctx, owner, requests)
			})
			if err != nil || limits == nil || !slices.IsSortedFunc(limits, byLimitName) {
				t.Fatalf("%v, %v", limits, err)
			}
			rows, err := w.db.Limits(context.Background(), owner.ID)
			if err != nil || len(rows) != len(want) || !slices.Equal(limits, storedLimits(rows)) {
				t.Fatalf("stored %v, answered %v, want %v: %v", rows, limits, want, err)
			}
			clear(ids)
			for _, l := range limits {
				w := want[l.Name]
				if w.ID == "" {
					w.ID = l.ID
				}
				if l != w || l.ID == "" {
					t.Fatalf("%+v, want %+v", l, w)
				}
				ids[l.Name] = l.ID
			}
		}
	})
}

func drawLimit(t *rapid.T) latchkey.RatelimitRequest {
	return latchkey.RatelimitRequest{
		Name:      rapid.SampledFrom([]string{"abc", "ABC", "def", "a b"}).Draw(t, "name"),
		Limit:     rapid.Int64Range(1, 3).Draw(t, "limit"),
		Duration:  latchkey.PerMilli(rapid.Int64Range(1000, 1002).Draw(t, "duration")),
		AutoApply: latchkey.Set(rapid.Bool().Draw(t, "autoApply")),
	}
}

func TestParallelReplacementsLeaveOneSet(t *testing.T) {
	w := newWorld(t)
	id := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice"})
	w.outcomes(10, func(i int) (string, any) {
		limits := []latchkey.RatelimitRequest{
			perMinute(fmt.Sprintf("one %d", i), 1), perMinute(fmt.Sprintf("two %d", i), 1),
		}
		return "identities.updateIdentity",
			latchkey.UpdateIdentityRequest{Identity: id, Ratelimits: latchkey.Set(limits)}
	})
	limits := w.identity(id).Ratelimits
	if len(limits) != 2 ||
		strings.TrimPrefix(limits[0].Name, "one ") != strings.TrimPrefix(limits[1].Name, "two ") {
		t.Errorf("limits of different requests: %v", limits)
	}
}

func TestMetaIsLimitedToOneMebibyte(t *testing.T) {
	w := newWorld(t)
	most := strings.Repeat("a", 1<<20-len(`{"k":""}`))
	w.newIdentity(latchkey.CreateIdentityRequest{
		ExternalID: "fits", Meta: latchkey.Meta(`{"k":"` + most + `"}`),
	})
	var back struct{ K string }
	if err := w.identity("fits").Meta.Decode(&back); err != nil || back.K != most {
		t.Errorf("%d of %d bytes came back: %v", len(back.K), len(most), err)
	}
	over := latchkey.Meta(`{"k":"` + most + `a"}`)
	if f := w.faultOf(w.who, "identities.createIdentity", latchkey.CreateIdentityRequest{
		ExternalID: "over", Meta: over,
	}); f.Location != "/properties/meta" {
		t.Errorf("location %q", f.Location)
	}
	w.refused(w.who, "identities.getIdentity", getIdentity("over"), 404, "identity_not_found")
	w.refused(w.who, "identities.updateIdentity",
		latchkey.UpdateIdentityRequest{Identity: "fits", Meta: latchkey.Set(over)}, 400,
		"invalid_input")
}

func TestMetaIsStoredInShortestForm(t *testing.T) {
	for given, want := range map[latchkey.Meta]string{
		"": "", "{}": "", " { } ": "", "{ \"b\": 1,\n\"a\": 2}": `{"a":2,"b":1}`,
		`{"a":1e3}`: `{"a":1e3}`,
	} {
		if got, err := metaText(given); err != nil || got != want {
			t.Errorf("%q is stored as %q, %v; want %q", given, got, err, want)
		}
	}
	if _, err := metaText("[]"); status(err) != 400 {
		t.Errorf("a list as metadata: %v", err)
	}
	wide := latchkey.Meta(
		`{"a":"` + strings.Repeat(" ", 1<<20-8) + `"` + strings.Repeat(" ", 1<<20) + `}`,
	)
	if _, err := metaText(wide); err != nil {
		t.Errorf("blanks between the values count: %v", err)
	}
}

func TestDeletingAnIdentityKeepsItsKeys(t *testing.T) {
	w := newWorld(t)
	id := w.newIdentity(latchkey.CreateIdentityRequest{
		ExternalID: "alice", Meta: `{"v":1}`,
		Ratelimits: []latchkey.RatelimitRequest{perMinute("requests", 1)},
	})
	key := w.newKey(latchkey.CreateKeyRequest{ExternalID: "alice"})
	if v := w.verify(key.Key); !v.Valid || v.Identity == nil || v.Identity.ID != id {
		t.Fatalf("before: %+v", v)
	}
	if v := w.verify(key.Key); v.Code != latchkey.RateLimited {
		t.Fatalf("the identity's limit does not count: %v", v.Code)
	}
	w.deleteIdentity("alice")
	w.refused(w.who, "identities.getIdentity", getIdentity(id), 404, "identity_not_found")
	w.refused(w.who, "identities.deleteIdentity", getIdentity(id), 404, "identity_not_found")

	again := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice"})
	if v := w.verify(key.Key); !v.Valid || v.Identity != nil {
		t.Errorf("a key of a deleted identity: %v of %+v", v.Code, v.Identity)
	}
	diff(t, w.identity("alice"), latchkey.Identity{ID: again, ExternalID: "alice"})
	if rows, err := w.db.Limits(t.Context(), id); err != nil || len(rows) > 0 {
		t.Errorf("its rate limits stay: %v, %v", rows, err)
	}
	if row, err := w.db.LiveKey(t.Context(), key.KeyID, w.who.WorkspaceID()); err != nil ||
		row.Key.IdentityID != "" {
		t.Errorf("the key refers to identity %q, %v", row.Key.IdentityID, err)
	}
}

func TestIdentityChangesApplyToTheNextVerification(t *testing.T) {
	w := newWorld(t)
	id := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice"})
	key := w.newKey(latchkey.CreateKeyRequest{ExternalID: "alice"})
	if v := w.verify(key.Key); !v.Valid || len(v.Ratelimits) != 0 {
		t.Fatalf("before: %+v", v)
	}
	must[latchkey.Identity](w, w.who, "identities.updateIdentity", latchkey.UpdateIdentityRequest{
		Identity: id, Meta: latchkey.Set[latchkey.Meta](`{"v":2}`),
		Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{perMinute("requests", 1)}),
	})
	v := w.verify(key.Key)
	if v.Identity == nil || v.Identity.Meta != `{"v":2}` || len(v.Ratelimits) != 1 ||
		v.Ratelimits[0].Name != "requests" {
		t.Errorf("an old view of the identity: %+v", v)
	}
}

func TestIdentityForFindsOrCreates(t *testing.T) {
	w := newWorld(t)
	existing := w.newIdentity(latchkey.CreateIdentityRequest{ExternalID: "alice"})
	ask := func(externalID string) string {
		id, err := change(
			t.Context(), w.Engine, w.who,
			func(ctx context.Context, c *Change) (string, error) {
				return c.identityFor(ctx, externalID)
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	if got := ask("alice"); got != existing {
		t.Errorf("finds %s, want %s", got, existing)
	}
	var made string
	diff(t, w.recorded(func() { made = ask("new@example.com"); ask("new@example.com") }), []string{
		"identity.create",
	})
	diff(t, w.identity("new@example.com"), latchkey.Identity{
		ID: made, ExternalID: "new@example.com",
	})
}

func TestIdentityListsShowLimitsPageByPage(t *testing.T) {
	w := newWorld(t)
	var want []latchkey.Identity
	for i := range 7 {
		r := latchkey.CreateIdentityRequest{
			ExternalID: fmt.Sprintf("user-%d", i), Meta: latchkey.Meta(fmt.Sprintf(`{"i":%d}`, i)),
		}
		for n := range i % 3 {
			r.Ratelimits = append(r.Ratelimits, perMinute(fmt.Sprintf("limit %d", n), 1))
		}
		want = append(want, w.identity(w.newIdentity(r)))
	}
	slices.SortFunc(want, func(a, b latchkey.Identity) int { return strings.Compare(a.ID, b.ID) })
	var got []latchkey.Identity
	for cursor, more := "", true; more; {
		answer, err := w.do(w.who, "identities.listIdentities", latchkey.ListIdentitiesRequest{
			Limit: 3, Cursor: cursor, Search: "USER-",
		})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, answer.Data.([]latchkey.Identity)...)
		cursor, more = answer.Pagination.Cursor, answer.Pagination.HasMore
	}
	diff(t, got, want)
	diff(
		t,
		must[[]latchkey.Identity](w, w.who, "identities.listIdentities",
			latchkey.ListIdentitiesRequest{Search: want[2].ExternalID}),
		want[2:3],
	)
}

func TestIdentityChangesAreAudited(t *testing.T) {
	w := newWorld(t)
	diff(t, w.recorded(func() {
		w.newIdentity(latchkey.CreateIdentityRequest{
			ExternalID: "alice",
			Ratelimits: []latchkey.RatelimitRequest{perMinute("one", 1), perMinute("two", 1)},
		})
		w.refused(w.who, "identities.createIdentity",
			latchkey.CreateIdentityRequest{ExternalID: "alice"}, 409, "identity_already_exists")
		w.identity("alice")
	}), []string{"identity.create", "ratelimit.create", "ratelimit.create"})
	diff(t, w.recorded(func() {
		must[latchkey.Identity](w, w.who, "identities.updateIdentity", getIdentity("alice"))
	}), []string{"identity.update"})
	replace := func() {
		must[latchkey.Identity](w, w.who, "identities.updateIdentity",
			latchkey.UpdateIdentityRequest{
				Identity: "alice",
				Ratelimits: latchkey.Set([]latchkey.RatelimitRequest{
					perMinute("two", 2), perMinute("three", 3),
				}),
			})
	}
	diff(t, w.recorded(replace), []string{
		"identity.update", "ratelimit.delete", "ratelimit.create", "ratelimit.update",
	})
	diff(t, w.recorded(replace), []string{"identity.update"})
	diff(t, w.recorded(func() {
		w.deleteIdentity("alice")
	}), []string{"identity.delete", "ratelimit.delete", "ratelimit.delete"})
}
