package engine

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"pgregory.net/rapid"
)

// recorded returns the events that work leaves in the operator's audit log, oldest first.
func (w *world) recorded(work func()) []string {
	w.t.Helper()
	logs := func() []read.AuditLog {
		rows, err := w.db.AuditLogsPage(w.t.Context(), read.AuditLogsPageParams{
			WorkspaceID: w.who.WorkspaceID(), FromSeq: math.MaxInt64, Most: 10_000,
		})
		if err != nil {
			w.t.Fatal(err)
		}
		slices.Reverse(rows)
		return rows
	}
	before := len(logs())
	work()
	events := []string{}
	for _, row := range logs()[before:] {
		events = append(events, row.Event)
	}
	return events
}

// useless is a permission that no operation asks for.
const useless = "api.*"

// need is what an operation asks of a root key.
type need struct {
	op      string
	request any
	enough  [][]string // sets of permissions, each of which suffices
	lacking [][]string // sets that don't
}

// holds checks that each set suffices and that no other does.
func (n need) holds(w *world) {
	w.t.Helper()
	for _, permissions := range append(n.lacking, []string{useless}) {
		w.refused(w.grant(permissions...), n.op, n.request, 403, "insufficient_permissions")
	}
	for _, permissions := range n.enough {
		if _, err := w.do(w.grant(permissions...), n.op, n.request); status(err) == 403 {
			w.t.Errorf("%s with %q: %v", n.op, permissions, err)
		}
	}
}

// status is the HTTP status of an error, 200 for none.
func status(err error) int {
	var e *latchkey.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 200
}

// faultOf runs an operation that has to be refused with one fault.
func (w *world) faultOf(who Caller, name string, request any) latchkey.Fault {
	w.t.Helper()
	_, err := w.do(who, name, request)
	var e *latchkey.Error
	if !errors.As(err, &e) || e.Status != 400 || len(e.Faults) != 1 {
		w.t.Fatalf("%s: %v, want one fault", name, err)
	}
	return e.Faults[0]
}

func diff(t testing.TB, got, want any) {
	t.Helper()
	if d := cmp.Diff(
		want, got, cmp.Comparer(func(a, b latchkey.Time) bool { return a.Equal(b.Time) }),
		cmp.AllowUnexported(latchkey.Duration{}),
	); d != "" {
		t.Errorf("not as wanted (-want +got):\n%s", d)
	}
}

func getAPI(id string) latchkey.GetAPIRequest { return latchkey.GetAPIRequest{APIID: id} }

func TestGetAPIReturnsWhatWasCreated(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"abc", "   ", strings.Repeat("😀", 256), "line\n\tline"} {
		a := must[latchkey.CreatedAPI](w, w.who, "apis.createApi", latchkey.CreateAPIRequest{
			Name: name,
		}).APIID
		b := must[latchkey.CreatedAPI](w, w.who, "apis.createApi", latchkey.CreateAPIRequest{
			Name: name,
		}).APIID
		if a == b || !strings.HasPrefix(a, "api_") {
			t.Errorf("ids %q and %q of two APIs of one name", a, b)
		}
		diff(t, must[latchkey.API](w, w.who, "apis.getApi", getAPI(a)), latchkey.API{
			ID: a, Name: name,
		})
	}
}

func TestAPIsStayInTheirWorkspace(t *testing.T) {
	w := newWorld(t)
	id, other := w.newAPI(), w.otherWorkspace()
	w.refused(other, "apis.getApi", getAPI(id), 404, "api_not_found")
	w.refused(other, "apis.updateApi", latchkey.UpdateAPIRequest{APIID: id}, 404, "api_not_found")
	w.refused(other, "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: id}, 404, "api_not_found")
	list := must[[]latchkey.APISettings](w, other, "apis.listApis", latchkey.ListAPIsRequest{})
	if list == nil || len(list) != 0 {
		t.Errorf("another workspace lists %v", list)
	}
	must[latchkey.API](w, w.who, "apis.getApi", getAPI(id))
}

func TestAPIOperationsNeedTheirPermission(t *testing.T) {
	w := newWorld(t)
	id, elsewhere := w.newAPI(), w.newAPI()
	one := func(action string) [][]string {
		return [][]string{{"api.*." + action}, {"api." + id + "." + action}}
	}
	other := func(action string) [][]string {
		return [][]string{
			{"api." + elsewhere + "." + action}, {"api.*.*"}, {"*"},
			{"unkey:v1:" + w.who.WorkspaceID() + ":**#*"},
		}
	}
	for _, n := range []need{
		{"apis.createApi", latchkey.CreateAPIRequest{Name: "abc"}, [][]string{{"api.*.create_api"}},
			append(other("create_api"), one("create_api")[1])},
		{"apis.getApi", getAPI(id), one("read_api"), other("read_api")},
		{"apis.listApis", latchkey.ListAPIsRequest{}, [][]string{{"api.*.read_api"}},
			append(other("read_api"), one("read_api")[1])},
		{"apis.updateApi", latchkey.UpdateAPIRequest{APIID: id}, one("update_api"),
			other("update_api")},
		{"apis.deleteApi", latchkey.DeleteAPIRequest{APIID: id}, one("delete_api"),
			other("delete_api")},
	} {
		n.holds(w)
	}
	w.refused(w.grant(useless), "apis.getApi", getAPI("api_unknown"), 403,
		"insufficient_permissions")
	w.refused(w.grant(useless), "apis.deleteApi", getAPI("api_unknown"), 403,
		"insufficient_permissions")
}

func TestDeletedAPIStopsVerifyingAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: id})
	if v := w.verify(key.Key); !v.Valid {
		t.Fatalf("before: %v", v.Code)
	}
	must[latchkey.Empty](w, w.who, "apis.deleteApi", latchkey.DeleteAPIRequest{APIID: id})
	if v := w.verify(key.Key); v.Valid || v.Code != latchkey.NotFound {
		t.Errorf("a key of a deleted API verifies: %v", v.Code)
	}
	w.refused(w.who, "apis.getApi", getAPI(id), 404, "api_not_found")
	w.refused(w.who, "apis.deleteApi", getAPI(id), 404, "api_not_found")
	w.refused(w.who, "apis.updateApi", getAPI(id), 404, "api_not_found")
	list := must[[]latchkey.APISettings](w, w.who, "apis.listApis", latchkey.ListAPIsRequest{})
	if len(list) != 0 {
		t.Errorf("still listed: %v", list)
	}
}

func TestParallelDeletesSucceedOnce(t *testing.T) {
	w := newWorld(t)
	id := w.newAPI()
	diff(t, w.outcomes(8, func(int) (string, any) { return "apis.deleteApi", getAPI(id) }),
		map[int]int{200: 1, 404: 7})
}

// outcomes runs n requests at once and counts their statuses.
func (w *world) outcomes(n int, request func(i int) (string, any)) map[int]int {
	w.t.Helper()
	statuses := make(chan int, n)
	for i := range n {
		go func() {
			name, r := request(i)
			_, err := w.do(w.who, name, r)
			statuses <- status(err)
		}()
	}
	counts := make(map[int]int)
	for range n {
		counts[<-statuses]++
	}
	return counts
}

func TestDeleteProtectionHolds(t *testing.T) {
	w := newWorld(t)
	id := w.newAPI()
	protect := func(on bool) {
		must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
			APIID: id, DeleteProtection: latchkey.Set(on),
		})
	}
	protect(true)
	w.refused(w.who, "apis.deleteApi", getAPI(id), 412, "protected_resource")
	w.refused(w.grant("api.*.read_api"), "apis.deleteApi", getAPI(id), 403,
		"insufficient_permissions")
	must[latchkey.API](w, w.who, "apis.getApi", getAPI(id))
	protect(false)
	must[latchkey.Empty](w, w.who, "apis.deleteApi", getAPI(id))
}

func TestUpdateAPIChangesOnlyTheGivenFields(t *testing.T) {
	w := newWorld(t)
	id := w.newAPI()
	update := func(r latchkey.UpdateAPIRequest) latchkey.APISettings {
		t.Helper()
		r.APIID = id
		s := must[latchkey.APISettings](w, w.who, "apis.updateApi", r)
		diff(t, must[[]latchkey.APISettings](w, w.who, "apis.listApis", latchkey.ListAPIsRequest{}),
			[]latchkey.APISettings{s})
		return s
	}
	keyspace := must[[]latchkey.APISettings](w, w.who, "apis.listApis",
		latchkey.ListAPIsRequest{})[0].KeyspaceID
	plain := latchkey.APISettings{
		ID: id, Name: "test", KeyspaceID: keyspace, CreatedAt: latchkey.At(start),
	}
	diff(t, update(latchkey.UpdateAPIRequest{}), plain)
	full := latchkey.APISettings{
		ID: id, Name: "test", KeyspaceID: keyspace, CreatedAt: latchkey.At(start),
		DeleteProtection: true, DefaultPrefix: "acme",
		DefaultBytes: 32, IPWhitelist: []string{"192.0.2.1"}, StoreEncryptedKeys: true,
	}
	diff(t, update(latchkey.UpdateAPIRequest{
		DeleteProtection: latchkey.Set(true), DefaultPrefix: latchkey.Set("acme"),
		DefaultBytes: latchkey.Set(32),
		IPWhitelist:  latchkey.Set([]string{"192.0.2.1"}), StoreEncryptedKeys: latchkey.Set(true),
	}), full)
	diff(t, update(latchkey.UpdateAPIRequest{}), full)
	diff(t, update(latchkey.UpdateAPIRequest{
		DeleteProtection: latchkey.Set(false), DefaultPrefix: latchkey.Null[string](),
		DefaultBytes: latchkey.Null[int](),
		IPWhitelist:  latchkey.Null[[]string](), StoreEncryptedKeys: latchkey.Set(false),
	}), plain)
}

func TestIPListIsStoredInShortestForm(t *testing.T) {
	w := newWorld(t)
	list := []string{
		"192.0.2.7", "10.1.2.3/8", "2001:DB8:0::1", "2001:db8::ffff/32", "::ffff:198.51.100.1",
		"::ffff:203.0.113.9/120", "192.0.2.7",
	}
	asked := slices.Clone(list)
	s := must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: w.newAPI(), IPWhitelist: latchkey.Set(list),
	})
	diff(t, s.IPWhitelist, []string{
		"192.0.2.7", "10.0.0.0/8", "2001:db8::1", "2001:db8::/32", "198.51.100.1", "203.0.113.0/24",
	})
	diff(t, list, asked)
}

func TestIPListNamesTheBadEntry(t *testing.T) {
	w := newWorld(t)
	id := w.newAPI()
	for _, bad := range []string{
		"localhost", "192.0.2.256", "192.0.2.0/33", "192.0.2.1,192.0.2.2", "fe80::1%eth0",
		"192.0.2.1 ", "10.0.0.0/8/8",
	} {
		f := w.faultOf(w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
			APIID: id, IPWhitelist: latchkey.Set([]string{"192.0.2.1", bad}),
		})
		if f.Location != "/properties/ipWhitelist/items" ||
			!strings.Contains(f.Message, fmt.Sprintf("%q", bad)) {
			t.Errorf("%q: %+v", bad, f)
		}
	}
}

func TestIPListAppliesToTheNextVerification(t *testing.T) {
	w := newWorld(t)
	id := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{APIID: id})
	for _, step := range []struct {
		list []string
		want latchkey.Code
	}{
		{nil, latchkey.Valid}, {[]string{"198.51.100.0/24"}, latchkey.Forbidden},
		{[]string{"192.0.2.1"}, latchkey.Valid},
	} {
		must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
			APIID: id, IPWhitelist: latchkey.Set(append([]string{}, step.list...)),
		})
		if v := w.verify(key.Key); v.Code != step.want {
			t.Errorf("with %v: %v, want %v", step.list, v.Code, step.want)
		}
	}
}

func TestNormalBlocksCoverTheSameAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]int{4, 16}).Draw(t, "bytes")
		raw := rapid.SliceOfN(rapid.Byte(), base, base).Draw(t, "address")
		addr, _ := netip.AddrFromSlice(raw)
		bits := rapid.IntRange(0, addr.BitLen()).Draw(t, "bits")
		text, ok := networkText(fmt.Sprintf("%s/%d", addr, bits))
		if addr.Is4In6() {
			t.Skip("compared as IPv4")
		}
		if again, still := networkText(text); !ok || !still || again != text {
			t.Fatalf("%s/%d becomes %q, and then %q", addr, bits, text, again)
		}
		flip := rapid.IntRange(0, addr.BitLen()-1).Draw(t, "flipped bit")
		raw[flip/8] ^= 0x80 >> (flip % 8)
		near, _ := netip.AddrFromSlice(raw)
		if got, want := netip.MustParsePrefix(text).Contains(near), flip >= bits; got != want {
			t.Fatalf("%s as %s contains %s: %v", fmt.Sprintf("%s/%d", addr, bits), text, near, got)
		}
	})
}

func TestAPIListsArePagedAndSearched(t *testing.T) {
	w := newWorld(t)
	var all []latchkey.API
	for _, name := range []string{"Billing", "billing 100%", "search_me", "other", "ÄRGER"} {
		id := must[latchkey.CreatedAPI](w, w.who, "apis.createApi", latchkey.CreateAPIRequest{
			Name: name,
		}).APIID
		all = append(all, latchkey.API{ID: id, Name: name})
	}
	slices.SortFunc(all, func(a, b latchkey.API) int { return strings.Compare(a.ID, b.ID) })
	for _, search := range []string{"", "  ", "BILL", "%", "h_m", "ärger", all[0].ID, "nothing"} {
		got := []string{}
		for cursor, more := "", true; more; {
			answer, err := w.do(w.who, "apis.listApis", latchkey.ListAPIsRequest{
				Limit: 2, Cursor: cursor, Search: search,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range answer.Data.([]latchkey.APISettings) {
				got = append(got, a.Name)
			}
			cursor, more = answer.Pagination.Cursor, answer.Pagination.HasMore
		}
		want := []string{}
		for _, a := range all {
			if text := strings.TrimSpace(strings.ToLower(search)); strings.Contains(
				strings.ToLower(a.Name+"\n"+a.ID), text,
			) {
				want = append(want, a.Name)
			}
		}
		diff(t, got, want)
	}
}

func TestAPIChangesAreAudited(t *testing.T) {
	w := newWorld(t)
	diff(t, w.recorded(func() {
		id := w.newAPI()
		must[latchkey.API](w, w.who, "apis.getApi", getAPI(id))
		must[latchkey.APISettings](w, w.who, "apis.updateApi", getAPI(id))
		must[latchkey.Empty](w, w.who, "apis.deleteApi", getAPI(id))
		w.refused(w.who, "apis.deleteApi", getAPI(id), 404, "api_not_found")
	}), []string{"api.create", "api.update", "api.delete"})
}
