package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
)

// pages is a transport that answers lists, page by page under their cursors.
type pages struct {
	at    map[string]latchkey.Page[latchkey.Key]
	asked []string
}

func (p *pages) Send(_ context.Context, a *latchkey.Attempt) (latchkey.Answer, error) {
	cursor := a.Request.(*latchkey.ListKeysRequest).Cursor
	p.asked = append(p.asked, cursor)
	page, ok := p.at[cursor]
	if !ok {
		return latchkey.Answer{}, &latchkey.Error{Status: 404}
	}
	return latchkey.Answer{Data: page.Data, Pagination: &page.Pagination}, nil
}

func page(next string, more bool, ids ...string) latchkey.Page[latchkey.Key] {
	p := latchkey.Page[latchkey.Key]{
		Data: []latchkey.Key{}, Pagination: latchkey.Pagination{Cursor: next, HasMore: more},
	}
	for _, id := range ids {
		p.Data = append(p.Data, latchkey.Key{KeyID: id})
	}
	return p
}

// TestListsEndWhereTheyEnd: services say so in several ways, and some never do.
func TestListsEndWhereTheyEnd(t *testing.T) {
	for _, c := range []struct {
		what        string
		begin       string
		at          map[string]latchkey.Page[latchkey.Key]
		want, asked []string
		fails       bool
	}{
		{"one page", "", map[string]latchkey.Page[latchkey.Key]{"": page("", false, "a", "b")},
			[]string{"a", "b"}, []string{""}, false},
		{"nothing", "", map[string]latchkey.Page[latchkey.Key]{"": page("", false)}, nil, []string{""},
			false},
		{
			"two pages", "",
			map[string]latchkey.Page[latchkey.Key]{"": page("2", true, "a"), "2": page("", false, "b")},
			[]string{"a", "b"}, []string{"", "2"}, false,
		},
		{
			"an empty page between", "",
			map[string]latchkey.Page[latchkey.Key]{
				"": page("2", true, "a"), "2": page("3", true), "3": page("", false, "b"),
			},
			[]string{"a", "b"}, []string{"", "2", "3"}, false,
		},
		{
			"a cursor though there is no more", "",
			map[string]latchkey.Page[latchkey.Key]{"": page("2", false, "a")}, []string{"a"}, []string{""},
			false,
		},
		{"more, but no cursor", "", map[string]latchkey.Page[latchkey.Key]{"": page("", true, "a")},
			[]string{"a"}, []string{""}, false},
		{
			"the same cursor again", "",
			map[string]latchkey.Page[latchkey.Key]{"": page("2", true, "a"), "2": page("2", true, "b")},
			[]string{"a", "b"}, []string{"", "2"}, false,
		},
		{
			"a circle", "",
			map[string]latchkey.Page[latchkey.Key]{
				"": page("2", true, "a"), "2": page("3", true, "b"), "3": page("2", true, "c"),
			},
			[]string{"a", "b", "c"}, []string{"", "2", "3"}, false,
		},
		{"from a cursor on", "2", map[string]latchkey.Page[latchkey.Key]{"2": page("", false, "b")},
			[]string{"b"}, []string{"2"}, false},
		{"an error", "", map[string]latchkey.Page[latchkey.Key]{"": page("2", true, "a")}, []string{"a"},
			[]string{"", "2"}, true},
	} {
		p := &pages{at: c.at}
		client := newClient(t, latchkey.Config{Transport: p})
		keys := client.APIs.AllKeys(t.Context(), latchkey.ListKeysRequest{
			APIID: "api_1", Cursor: c.begin,
		})
		for range 2 { // an iterator can be used again
			p.asked = nil
			got, errs := collect(keys)
			if diff := cmp.Diff([]any{c.want, c.asked}, []any{got, p.asked}); diff != "" {
				t.Errorf("%s: -want +got\n%s", c.what, diff)
			}
			same(t, c.what+": errors", len(errs), b2i(c.fails))
		}
	}
}

func collect(keys func(func(latchkey.Key, error) bool)) (ids []string, errs []error) {
	for key, err := range keys {
		if err != nil {
			errs = append(errs, err)
		} else {
			ids = append(ids, key.KeyID)
		}
	}
	return ids, errs
}

func TestBreakAsksForNoMore(t *testing.T) {
	p := &pages{
		at: map[string]latchkey.Page[latchkey.Key]{
			"": page("2", true, "a", "b"), "2": page("", false, "c"),
		},
	}
	keys := newClient(t, latchkey.Config{Transport: p}).APIs.AllKeys(
		t.Context(), latchkey.ListKeysRequest{},
	)
	for _, err := range keys {
		same(t, "error", err, nil)
		break
	}
	same(t, "pages", len(p.asked), 1)
}

func TestListsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &pages{
		at: map[string]latchkey.Page[latchkey.Key]{"": page("2", true, "a"), "2": page("", false, "b")},
	}
	var errs []error
	for _, err := range newClient(t, latchkey.Config{Transport: p}).APIs.AllKeys(
		ctx, latchkey.ListKeysRequest{},
	) {
		cancel()
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) != 1 || !errors.Is(errs[0], context.Canceled) || len(p.asked) != 1 {
		t.Errorf("asked %q, errors %v", p.asked, errs)
	}
}

// TestEveryListIsWalked walks real lists of several pages, over HTTP.
func TestEveryListIsWalked(t *testing.T) {
	const n = 7
	s := latchkeytest.New(t)
	c := newClient(t, latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey})
	ctx := t.Context()
	api := s.NewAPI(latchkey.CreateAPIRequest{Name: "keys"})
	for i := range n {
		name := fmt.Sprint("thing_", i)
		s.NewKey(latchkey.CreateKeyRequest{APIID: api, ExternalID: name, Permissions: []string{name}})
		s.NewAPI(latchkey.CreateAPIRequest{Name: name})
		_, role := c.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{Name: name})
		_, limit := c.Ratelimits.Limit(ctx, latchkey.LimitRequest{
			Namespace: name, Identifier: "x", Limit: 1, Duration: latchkey.PerMilli(1000),
		})
		_, override := c.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
			Namespace: "thing_0", Identifier: name, Limit: latchkey.Int(1),
			Duration: latchkey.PerMilli(1000),
		})
		_, workspace := c.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{Name: name})
		_, root := c.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{Name: name})
		if err := errors.Join(role, limit, override, workspace, root); err != nil {
			t.Fatal(err)
		}
	}
	for what, count := range map[string]func() (int, error){
		"APIs": func() (int, error) {
			return length(c.APIs.All(ctx, latchkey.ListAPIsRequest{Limit: 2, Search: "thing_"}))
		},
		"keys": func() (int, error) {
			return length(c.APIs.AllKeys(ctx, latchkey.ListKeysRequest{APIID: api, Limit: 2}))
		},
		"identities": func() (int, error) {
			return length(c.Identities.All(ctx, latchkey.ListIdentitiesRequest{Limit: 2}))
		},
		"permissions": func() (int, error) {
			return length(c.Permissions.All(ctx, latchkey.ListPermissionsRequest{Limit: 2}))
		},
		"roles": func() (int, error) {
			return length(c.Permissions.AllRoles(ctx, latchkey.ListRolesRequest{Limit: 2}))
		},
		"overrides": func() (int, error) {
			return length(c.Ratelimits.AllOverrides(ctx, latchkey.ListOverridesRequest{
				Namespace: "thing_0", Limit: 2,
			}))
		},
		"namespaces": func() (int, error) {
			return length(c.Ratelimits.AllNamespaces(ctx, latchkey.ListNamespacesRequest{Limit: 2}))
		},
		"workspaces": func() (int, error) {
			return length(c.Workspaces.All(ctx, latchkey.ListWorkspacesRequest{Limit: 2, Search: "thing_"}))
		},
		"root keys": func() (int, error) {
			got, err := length(c.RootKeys.All(ctx, latchkey.ListRootKeysRequest{Limit: 2}))
			return got - 1, err // the operator's
		},
		"audit log": func() (int, error) {
			return length(c.AuditLogs.All(ctx, latchkey.ListAuditLogsRequest{
				Limit: 2, Event: "role.create",
			}))
		},
	} {
		if got, err := count(); got != n || err != nil {
			t.Errorf("%s: %d, %v", what, got, err)
		}
	}
}

func length[T any](items func(func(T, error) bool)) (int, error) {
	n := 0
	for _, err := range items {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// TestPagesAreReadOneByOne: whoever wants pages has them.
func TestPagesAreReadOneByOne(t *testing.T) {
	p := &pages{
		at: map[string]latchkey.Page[latchkey.Key]{"": page("2", true, "a"), "2": page("", false, "b")},
	}
	c := newClient(t, latchkey.Config{Transport: p})
	var got []string
	r := latchkey.ListKeysRequest{APIID: "api_1"}
	for more := true; more; {
		page, err := c.APIs.ListKeys(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Data[0].KeyID)
		r.Cursor, more = page.Pagination.Cursor, page.Pagination.HasMore
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
}
