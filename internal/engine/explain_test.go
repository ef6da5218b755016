package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"pgregory.net/rapid"
)

// TestExplanationHasTheCodeOfTheVerification explains random keys, by secret and by id, and
// then verifies them with the same request: the codes are the same, and the explanation
// has counted and spent nothing.
func TestExplanationHasTheCodeOfTheVerification(t *testing.T) {
	w := newWorld(t)
	apis := []string{w.newAPI(), w.newAPI()}
	must[latchkey.APISettings](w, w.who, "apis.updateApi", latchkey.UpdateAPIRequest{
		APIID: apis[1], IPWhitelist: latchkey.Set([]string{"192.0.2.0/24", "2001:db8::/32"}),
	})
	keyspace := w.verify(w.newKey(latchkey.CreateKeyRequest{APIID: apis[0]}).Key).KeyspaceID
	slugs := []string{"docs.read", "docs.write", "docs.*", "admin"}
	must[latchkey.CreatedRole](w, w.who, "permissions.createRole", latchkey.CreateRoleRequest{
		Name: "writer", Permissions: []string{"docs.write", "docs.read"},
	})
	for _, owner := range []string{"on", "off"} {
		must[latchkey.CreatedIdentity](w, w.who, "identities.createIdentity",
			latchkey.CreateIdentityRequest{ExternalID: owner,
				Ratelimits: []latchkey.RatelimitRequest{{
					Name: "shared", Limit: 4, Duration: latchkey.Per(time.Minute),
					AutoApply: latchkey.Set(true), Algorithm: latchkey.TokenBucket,
				}}})
	}
	must[latchkey.Identity](w, w.who, "identities.updateIdentity", object{
		"identity": "off", "enabled": false,
	})
	budgets := 0
	rapid.Check(t, func(rt *rapid.T) {
		about := drawExplainedKey(rt, w, apis, slugs)
		key := w.newKey(about)
		for range rapid.IntRange(0, 2).Draw(rt, "budgets") {
			budgets++
			r := drawBudget(rt, fmt.Sprint("budget ", budgets))
			w.newBudget(r)
			if n := rapid.Int64Range(-1, 3).Draw(rt, "granted"); n != 0 {
				must[latchkey.GrantedBudget](w, w.who, "budgets.grant",
					latchkey.GrantBudgetRequest{Budget: r.Name, Amount: latchkey.Set(n)})
			}
			w.attach(latchkey.AttachBudgetRequest{Budget: r.Name, KeyID: key.KeyID,
				AutoApply: latchkey.Set(rapid.Bool().Draw(rt, "applied"))})
		}
		if rapid.Bool().Draw(rt, "rerolled") {
			key = w.reroll(key.KeyID, time.Hour)
		}
		if rapid.IntRange(0, 9).Draw(rt, "deleted") == 0 {
			must[latchkey.Empty](w, w.who, "keys.deleteKey", object{"keyId": key.KeyID})
		}
		for range rapid.IntRange(1, 6).Draw(rt, "calls") {
			hours := rapid.SampledFrom([]int{0, 0, 0, 1, 25, 800}).Draw(rt, "hours")
			w.advance(time.Duration(hours) * time.Hour)
			explainAndVerify(rt, w, key, keyspace, slugs, fmt.Sprint("budget ", budgets),
				about.Credits == nil)
		}
	})
}

func drawBudget(rt *rapid.T, name string) latchkey.CreateBudgetRequest {
	r := latchkey.CreateBudgetRequest{
		Name: name, Enabled: latchkey.Set(rapid.IntRange(0, 9).Draw(rt, "on") > 0),
		OnExpiry: rapid.SampledFrom([]latchkey.BudgetExpiry{
			"", latchkey.ChargeOnExpiry,
		}).Draw(rt, "on expiry"),
	}
	if rapid.Bool().Draw(rt, "allowance") {
		r.Allowance = latchkey.Set(rapid.Int64Range(0, 4).Draw(rt, "allowed"))
		r.Period = latchkey.Set(latchkey.BudgetPeriod{Every: latchkey.EveryDay})
	}
	if rapid.Bool().Draw(rt, "bounded") {
		r.MaxOpen = latchkey.Set(rapid.Int64Range(0, 2).Draw(rt, "open"))
	}
	return r
}

func drawExplainedKey(
	rt *rapid.T, w *world, apis, slugs []string,
) latchkey.CreateKeyRequest {
	often := func(what string) bool { return rapid.IntRange(0, 4).Draw(rt, what) > 0 }
	r := latchkey.CreateKeyRequest{
		APIID: rapid.SampledFrom(apis).Draw(rt, "api"), Enabled: latchkey.Set(often("enabled")),
		Permissions: rapid.SliceOfN(rapid.SampledFrom(slugs), 0, 3).Draw(rt, "permissions"),
		ExternalID:  rapid.SampledFrom([]string{"", "", "on", "on", "off"}).Draw(rt, "owner"),
	}
	if rapid.Bool().Draw(rt, "role") {
		r.Roles = []string{"writer"}
	}
	if !often("lasting") {
		r.Expires = latchkey.At(w.now().Add(time.Duration(rapid.IntRange(-1, 1).
			Draw(rt, "expires")) * time.Hour))
	}
	if rapid.Bool().Draw(rt, "credits") {
		r.Credits = limitedTo(rapid.Int64Range(0, 4).Draw(rt, "balance"))
		if rapid.Bool().Draw(rt, "refilled") {
			r.Credits.Refill = drawRefill(rt)
		}
	}
	for _, name := range []string{"own", "shared"} {
		if rapid.Bool().Draw(rt, name) {
			r.Ratelimits = append(r.Ratelimits, latchkey.RatelimitRequest{
				Name: name, Limit: rapid.Int64Range(1, 3).Draw(rt, "limit"),
				Duration:  latchkey.Per(time.Minute),
				AutoApply: latchkey.Set(rapid.Bool().Draw(rt, "auto")),
			})
		}
	}
	return r
}

// explainAndVerify compares an explanation by secret, one by id, and the verification. The
// call reserves nothing of a key with credits: those that an expired reservation gives back
// are explained only when they are back.
func explainAndVerify(
	rt *rapid.T, w *world, key latchkey.CreatedKey, keyspace string, slugs []string,
	budget string, mayReserve bool,
) {
	r := latchkey.ExplainKeyRequest{Key: key.Key}
	if rapid.Bool().Draw(rt, "asks") {
		a := rapid.SampledFrom(slugs).Draw(rt, "a")
		b := rapid.SampledFrom(slugs).Draw(rt, "b")
		r.Permissions = latchkey.PermissionQuery(fmt.Sprintf("%s %s %s", a,
			rapid.SampledFrom([]string{"AND", "OR"}).Draw(rt, "op"), b))
	}
	if rapid.Bool().Draw(rt, "costs") {
		r.Credits = &latchkey.VerifyKeyCredits{
			Cost: latchkey.Int(rapid.Int64Range(0, 3).Draw(rt, "cost")),
		}
	}
	if rapid.Bool().Draw(rt, "limits") {
		r.Ratelimits = []latchkey.VerifyKeyRatelimit{{
			Name: rapid.SampledFrom([]string{"own", "shared", "given"}).Draw(rt, "name"),
			Cost: latchkey.Int(rapid.Int64Range(0, 3).Draw(rt, "taken")),
		}}
		if rapid.IntRange(0, 9).Draw(rt, "ad hoc") > 0 {
			r.Ratelimits[0].Limit = latchkey.Int(rapid.Int64Range(0, 3).Draw(rt, "of"))
			r.Ratelimits[0].Duration = latchkey.Set(latchkey.Per(time.Minute))
		}
	}
	if rapid.IntRange(0, 3).Draw(rt, "names") == 0 {
		r.Budgets = costOf(budget, rapid.Int64Range(0, 4).Draw(rt, "of budget"))
	}
	if rapid.Bool().Draw(rt, "reserves") && mayReserve {
		r.Reserve = &latchkey.VerifyKeyReserve{TTL: latchkey.Per(30 * time.Minute)}
	}
	if rapid.IntRange(0, 4).Draw(rt, "keyspaces") == 0 {
		r.Keyspaces = []string{keyspace}
	}
	r.IP = rapid.SampledFrom([]string{"", "192.0.2.7", "203.0.113.9", "2001:db8::1"}).Draw(rt, "ip")

	bySecret, err := w.do(w.who, "keys.explainKey", r)
	caller := w.who
	if r.IP != "" {
		caller.RemoteIP = r.IP
	}
	verified, refusal := w.do(caller, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key.Key, Permissions: r.Permissions, Credits: r.Credits, Ratelimits: r.Ratelimits,
		Keyspaces: r.Keyspaces, Budgets: r.Budgets, Reserve: r.Reserve,
	})
	if (err == nil) != (refusal == nil) {
		rt.Fatalf("explained: %v, verified: %v", err, refusal)
	}
	if err != nil {
		return
	}
	x, v := bySecret.Data.(latchkey.KeyExplanation), verified.Data.(latchkey.Verification)
	if x.Code != v.Code || x.Valid != v.Valid || x.Summary == "" || (x.Next == "") != x.Valid {
		rt.Fatalf("explained %+v\nverified %+v", x, v)
	}
	decided := latchkey.Valid
	for _, c := range x.Checks {
		if c.Decides {
			decided = c.Code
		}
	}
	if decided != x.Code {
		rt.Fatalf("%s, but the check that decides has %s: %+v", x.Code, decided, x.Checks)
	}
	checkStates(rt, &x, &v)

	r.KeyID, r.Key = key.KeyID, ""
	x = must[latchkey.KeyExplanation](w, w.who, "keys.explainKey", r)
	again, err := w.do(caller, "keys.verifyKey", latchkey.VerifyKeyRequest{
		Key: key.Key, Permissions: r.Permissions, Credits: r.Credits, Ratelimits: r.Ratelimits,
		Keyspaces: r.Keyspaces, Budgets: r.Budgets, Reserve: r.Reserve,
	})
	if err != nil {
		rt.Fatal(err)
	}
	if code := again.Data.(latchkey.Verification).Code; x.Code != code {
		rt.Fatalf("explained by id: %+v\nverified: %s", x, code)
	}
}

// checkStates compares the balance, the budgets and the limits before a call with those after it.
func checkStates(rt *rapid.T, x *latchkey.KeyExplanation, v *latchkey.Verification) {
	if x.Credits != nil && v.Code == latchkey.Valid {
		if left := v.Credits.Or(-1); left != x.Credits.Remaining-x.Credits.Cost {
			rt.Fatalf("%+v explained, %d left after the call", x.Credits, left)
		}
	}
	for i, s := range v.Budgets {
		b := x.Budgets[i]
		if v.Valid {
			b.Remaining -= b.Cost
		}
		if s.ID != b.ID || s.Exceeded != b.Exceeded || s.Remaining != b.Remaining {
			rt.Fatalf("explained %+v\nverified %+v", b, s)
		}
	}
	for i, s := range v.Ratelimits {
		l := x.Ratelimits[i]
		left := l.Remaining
		if v.Code != latchkey.RateLimited {
			left -= l.Cost
		} else if s.Exceeded {
			left = 0
		}
		if s.Name != l.Name || s.Exceeded != l.Exceeded || s.Remaining != left ||
			s.RetryAfter != l.RetryAfter || !l.Checked {
			rt.Fatalf("explained %+v\nverified %+v", l, s)
		}
	}
}
