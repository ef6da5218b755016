package main

import (
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// limitRequest returns a request against a limit of 3 per day.
func limitRequest(namespace, identifier string, cost int64) components.V2RatelimitLimitRequestBody {
	return components.V2RatelimitLimitRequestBody{Namespace: namespace, Identifier: identifier,
		Limit: 3, Duration: day, Cost: &cost}
}

// limit calls ratelimit.limit.
func (s *suite) limit(
	body components.V2RatelimitLimitRequestBody) components.V2RatelimitLimitResponseData {
	return must(s.un.Ratelimit.Limit(s.ctx, body)).V2RatelimitLimitResponseBody.Data
}

// ratelimits calls limit and multiLimit.
func (s *suite) ratelimits() {
	namespace := unique("email.send")
	s.singleLimits(namespace)
	s.multiLimits(namespace)
}

func (s *suite) singleLimits(namespace string) {
	first := s.limit(limitRequest(namespace, "user_1", 2))
	s.holds("the window ends at a multiple of its length", first.Reset%day == 0 &&
		first.Reset > time.Now().UnixMilli(), first.Reset)
	want := components.V2RatelimitLimitResponseData{Success: true, Limit: 3, Remaining: 1,
		Reset: first.Reset}
	s.same("a first request of cost 2", first, want)
	want.Success, want.Remaining = false, 0
	s.same("a second request of cost 2", s.limit(limitRequest(namespace, "user_1", 2)), want)
	want.Success = true
	s.same("a denied request does not consume", s.limit(limitRequest(namespace, "user_1", 1)), want)
	s.same("a request of cost 0", s.limit(limitRequest(namespace, "user_1", 0)), want)
	want.Remaining = 2
	s.same("another identifier", s.limit(limitRequest(namespace, "user_2", 1)), want)
}

func (s *suite) multiLimits(namespace string) {
	ask := func(
		limits ...components.V2RatelimitLimitRequestBody,
	) components.V2RatelimitMultiLimitResponseData {
		return must(s.un.Ratelimit.MultiLimit(s.ctx, limits)).V2RatelimitMultiLimitResponseBody.Data
	}
	noReset := cmpopts.IgnoreFields(components.V2RatelimitMultiLimitCheck{}, "Reset")
	check := func(identifier string, passed bool,
		remaining int64) components.V2RatelimitMultiLimitCheck {
		return components.V2RatelimitMultiLimitCheck{Namespace: namespace, Identifier: identifier,
			Limit: 3, Passed: passed, Remaining: remaining}
	}
	s.same("several limits that all pass",
		ask(limitRequest(namespace, "m1", 1), limitRequest(namespace, "m2", 3)),
		components.V2RatelimitMultiLimitResponseData{Passed: true,
			Limits: []components.V2RatelimitMultiLimitCheck{check("m1", true, 2),
				check("m2", true, 0)}}, noReset)
	s.same("several limits of which one denies",
		ask(limitRequest(namespace, "m1", 1), limitRequest(namespace, "m2", 1)),
		components.V2RatelimitMultiLimitResponseData{
			Limits: []components.V2RatelimitMultiLimitCheck{check("m1", true, 2),
				check("m2", false, 0)}}, noReset)
	s.same("nothing was consumed", s.limit(limitRequest(namespace, "m1", 0)).Remaining, int64(2))
}

// overrides sets, reads, lists and deletes overrides, and calls limits with overrides.
func (s *suite) overrides() {
	namespace := unique("email.send")
	s.limit(limitRequest(namespace, "user_1", 1))
	set := func(identifier string, limit int64) string {
		return must(s.un.Ratelimit.SetOverride(s.ctx, components.V2RatelimitSetOverrideRequestBody{
			Namespace: namespace, Identifier: identifier, Limit: limit,
			Duration: day})).V2RatelimitSetOverrideResponseBody.Data.OverrideID
	}
	get := func(identifier string) components.RatelimitOverride {
		return must(s.un.Ratelimit.GetOverride(s.ctx,
			components.V2RatelimitGetOverrideRequestBody{Namespace: namespace,
				Identifier: identifier})).
			V2RatelimitGetOverrideResponseBody.Data
	}
	one := components.RatelimitOverride{OverrideID: set("user_1", 10), Identifier: "user_1",
		Limit: 10, Duration: day}
	team := components.RatelimitOverride{OverrideID: set("team_*", 20), Identifier: "team_*",
		Limit: 20, Duration: day}
	s.same("an override", get("user_1"), one)
	s.same("an override by a name its pattern matches", get("team_blue"), team)
	s.same("a limit under an override", s.limit(limitRequest(namespace, "user_1", 1)),
		components.V2RatelimitLimitResponseData{Success: true, Limit: 10, Remaining: 8,
			OverrideID: &one.OverrideID},
		cmpopts.IgnoreFields(components.V2RatelimitLimitResponseData{}, "Reset"))
	multi := must(s.un.Ratelimit.MultiLimit(s.ctx,
		[]components.V2RatelimitLimitRequestBody{limitRequest(namespace, "team_blue", 1)}))
	s.same("several limits under an override",
		multi.V2RatelimitMultiLimitResponseBody.Data.Limits[0].OverrideID, &team.OverrideID)
	s.same("setting an override again keeps its id", set("user_1", 0), one.OverrideID)
	s.holds("an override of 0 blocks", !s.limit(limitRequest(namespace, "user_1", 1)).Success)

	list := must(s.un.Ratelimit.ListOverrides(s.ctx,
		components.V2RatelimitListOverridesRequestBody{Namespace: namespace}))
	one.Limit = 0
	s.same("the overrides listed", list.V2RatelimitListOverridesResponseBody.Data,
		[]components.RatelimitOverride{one, team},
		cmpopts.SortSlices(func(a, b components.RatelimitOverride) bool {
			return a.Limit < b.Limit
		}))
	s.deleteOverride(namespace)
}

func (s *suite) deleteOverride(namespace string) {
	body := components.V2RatelimitDeleteOverrideRequestBody{Namespace: namespace,
		Identifier: "team_blue"}
	_, err := s.un.Ratelimit.DeleteOverride(s.ctx, body)
	s.fails("deleteOverride by a name the pattern matches", err, notFound)
	body.Identifier = "team_*"
	must(s.un.Ratelimit.DeleteOverride(s.ctx, body))
	_, err = s.un.Ratelimit.GetOverride(s.ctx,
		components.V2RatelimitGetOverrideRequestBody{Namespace: namespace, Identifier: "team_blue"})
	s.fails("getOverride of a deleted override", err, notFound)
	s.same("a limit without its override",
		s.limit(limitRequest(namespace, "team_blue", 0)).OverrideID, (*string)(nil))
}
