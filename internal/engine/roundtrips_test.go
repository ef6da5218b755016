package engine

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/testenv"
)

// A change takes the same number of round trips to PostgreSQL, whatever the number of its
// permissions, roles and rate limits: BEGIN, what it reads, and COMMIT.
func TestChangesTakeAConstantNumberOfRoundTrips(t *testing.T) {
	where := testenv.Postgres(t)
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	counter := testenv.CountTrips(t, u.Host)
	w := &world{t: t, at: start}
	w.where = strings.Replace(where, u.Host, counter.Addr, 1) + "&default_query_exec_mode=exec"
	w.setUp()
	w.withoutJobs()
	const most = 40
	texts := func(kind string, n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint(kind, i)
		}
		return all
	}
	limits := func(n int) (all []latchkey.RatelimitRequest) {
		for _, name := range texts("limit", n) {
			all = append(all, latchkey.RatelimitRequest{
				Name: name, Limit: 1, Duration: latchkey.PerMilli(1000), AutoApply: latchkey.Set(true),
			})
		}
		return all
	}
	for _, role := range texts("role", most) {
		w.newRole(latchkey.CreateRoleRequest{Name: role, Permissions: []string{"of_" + role}})
	}
	api := w.newAPI()
	var key string
	for _, n := range []int{1, most} {
		all := texts(fmt.Sprint(n, "x"), n)
		for _, step := range []struct {
			op    string
			input any
			trips int64
		}{
			{"keys.createKey", latchkey.CreateKeyRequest{APIID: api}, 4},
			{"keys.createKey", latchkey.CreateKeyRequest{
				APIID: api, ExternalID: fmt.Sprint("owner", n), Permissions: all,
				Roles: texts("role", n), Ratelimits: limits(n),
			}, 10},
		} {
			counter.Trips()
			made := must[latchkey.CreatedKey](w, w.who, step.op, step.input)
			if trips := counter.Trips(); trips != step.trips {
				t.Errorf("%s of %d: %d round trips, want %d", step.op, n, trips, step.trips)
			}
			key = made.KeyID
		}
		for op, step := range map[string]struct {
			input any
			trips int64
		}{
			"keys.updateKey": {latchkey.UpdateKeyRequest{
				KeyID: key, Name: latchkey.Set("new"),
				Ratelimits: latchkey.Set(limits(0)),
			}, 4},
			"keys.setPermissions": {latchkey.SetPermissionsRequest{KeyID: key, Permissions: all}, 6},
			"keys.setRoles":       {latchkey.SetRolesRequest{KeyID: key, Roles: texts("role", n)}, 8},
			"keys.updateCredits": {latchkey.UpdateCreditsRequest{
				KeyID: key, Operation: latchkey.SetCredits, Value: latchkey.Set[int64](5),
			}, 4},
		} {
			counter.Trips()
			if _, err := w.do(w.who, op, step.input); err != nil {
				t.Errorf("%s: %v", op, err)
			}
			if trips := counter.Trips(); trips != step.trips {
				t.Errorf("%s of %d: %d round trips, want %d", op, n, trips, step.trips)
			}
		}
		counter.Trips()
		if _, err := w.do(w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: key}); err != nil {
			t.Error(err)
		}
		if trips := counter.Trips(); trips != 4 {
			t.Errorf("keys.deleteKey: %d round trips, want 4", trips)
		}
	}
}
