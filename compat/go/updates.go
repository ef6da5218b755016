package main

import (
	"time"

	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// updates changes each property of a key alone, and checks that the others do not change. This
// SDK cannot send null, so an empty value clears a property where the API allows one.
func (s *suite) updates() {
	created := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: s.newAPI(),
		Name: unkey.Pointer("before")})
	want := s.key(created.KeyID)
	update := func(what string, body components.V2KeysUpdateKeyRequestBody) {
		body.KeyID = created.KeyID
		must(s.un.Keys.UpdateKey(s.ctx, body))
		got := s.key(created.KeyID)
		want.UpdatedAt = got.UpdatedAt
		if want.Identity != nil && got.Identity != nil {
			want.Identity.ID = got.Identity.ID
		}
		s.same(what, got, want, anyOrder)
	}
	update("an update of nothing", components.V2KeysUpdateKeyRequestBody{})
	s.holds("updatedAt", want.UpdatedAt != nil && *want.UpdatedAt >= want.CreatedAt)
	s.updateValues(update, &want)
	s.updateCreditsOf(update, &want)
	s.updateLists(update, &want)

	want.Enabled = false
	update("disabled", components.V2KeysUpdateKeyRequestBody{Enabled: unkey.Pointer(false)})
	s.same("a disabled key verified", s.verify(created.Key).Code, components.CodeDisabled)
	want.Enabled = true
	update("enabled", components.V2KeysUpdateKeyRequestBody{Enabled: unkey.Pointer(true)})
	s.same("an enabled key verified", s.verify(created.Key).Code, components.CodeValid)
}

type updater func(what string, body components.V2KeysUpdateKeyRequestBody)

func (s *suite) updateValues(update updater, want *components.KeyResponseData) {
	want.Name = unkey.Pointer("after")
	update("name", components.V2KeysUpdateKeyRequestBody{Name: want.Name})
	want.Meta = map[string]any{"plan": "free"}
	update("meta", components.V2KeysUpdateKeyRequestBody{Meta: want.Meta})
	want.Meta = nil
	update("meta emptied", components.V2KeysUpdateKeyRequestBody{Meta: map[string]any{}})
	want.Expires = unkey.Pointer(time.Now().Add(2 * time.Hour).UnixMilli())
	update("expires", components.V2KeysUpdateKeyRequestBody{Expires: want.Expires})
	want.Identity = &components.Identity{ExternalID: unique("owner")}
	update("externalId", components.V2KeysUpdateKeyRequestBody{
		ExternalID: &want.Identity.ExternalID})
}

func (s *suite) updateCreditsOf(update updater, want *components.KeyResponseData) {
	daily := components.UpdateKeyCreditsRefill{
		Interval: components.UpdateKeyCreditsRefillIntervalDaily, Amount: 30}
	want.Credits = &components.KeyCreditsData{Remaining: unkey.Pointer(int64(20)),
		Refill: &components.KeyCreditsRefill{Interval: components.KeyCreditsRefillIntervalDaily,
			Amount: 30}}
	update("credits with a daily refill", components.V2KeysUpdateKeyRequestBody{
		Credits: &components.UpdateKeyCreditsData{Remaining: want.Credits.Remaining,
			Refill: &daily}})
	want.Credits.Remaining = unkey.Pointer(int64(8))
	update("the balance alone, the refill stays", components.V2KeysUpdateKeyRequestBody{
		Credits: &components.UpdateKeyCreditsData{Remaining: want.Credits.Remaining}})
	monthly := components.UpdateKeyCreditsRefill{
		Interval: components.UpdateKeyCreditsRefillIntervalMonthly, Amount: 9,
		RefillDay: unkey.Pointer(int64(31))}
	want.Credits.Refill = &components.KeyCreditsRefill{
		Interval: components.KeyCreditsRefillIntervalMonthly, Amount: 9,
		RefillDay: unkey.Pointer(int64(31))}
	update("the refill alone, the balance stays", components.V2KeysUpdateKeyRequestBody{
		Credits: &components.UpdateKeyCreditsData{Refill: &monthly}})
}

func (s *suite) updateLists(update updater, want *components.KeyResponseData) {
	want.Ratelimits = []components.RatelimitResponse{limitResponse("requests", 5, false)}
	update("ratelimits", components.V2KeysUpdateKeyRequestBody{
		Ratelimits: []components.RatelimitRequest{limit("requests", 5, false)}})
	want.Ratelimits = nil
	update("ratelimits emptied", components.V2KeysUpdateKeyRequestBody{
		Ratelimits: []components.RatelimitRequest{}})
	want.Permissions = []string{unique("docs.read"), unique("docs.write")}
	update("permissions", components.V2KeysUpdateKeyRequestBody{Permissions: want.Permissions})
	want.Permissions = nil
	update("permissions emptied", components.V2KeysUpdateKeyRequestBody{Permissions: []string{}})
	want.Roles = []string{s.newRole()}
	update("roles", components.V2KeysUpdateKeyRequestBody{Roles: want.Roles})
	want.Roles = nil
	update("roles emptied", components.V2KeysUpdateKeyRequestBody{Roles: []string{}})
}

// credits changes the balance of a key in every way.
func (s *suite) credits() {
	create, _ := s.fullKey(s.newAPI())
	create.Recoverable = nil
	created := s.newKey(create)
	refill := create.Credits.Refill
	change := func(operation components.Operation, value *int64, want components.KeyCreditsData) {
		got := must(s.un.Keys.UpdateCredits(s.ctx,
			components.V2KeysUpdateCreditsRequestBody{KeyID: created.KeyID, Operation: operation,
				Value: value}))
		s.same(string(operation)+" in the response", got.V2KeysUpdateCreditsResponseBody.Data, want)
		if want.Remaining == nil {
			s.same("a key without a limit", s.key(created.KeyID).Credits,
				(*components.KeyCreditsData)(nil))
			return
		}
		s.same(string(operation)+" as stored", s.key(created.KeyID).Credits, &want)
	}
	n := unkey.Pointer[int64]
	change(components.OperationSet, n(10),
		components.KeyCreditsData{Remaining: n(10), Refill: refill})
	change(components.OperationIncrement, n(5),
		components.KeyCreditsData{Remaining: n(15), Refill: refill})
	change(components.OperationDecrement, n(4),
		components.KeyCreditsData{Remaining: n(11), Refill: refill})
	change(components.OperationDecrement, n(100),
		components.KeyCreditsData{Remaining: n(0), Refill: refill})
	s.same("a key without credits verified", s.verify(created.Key).Code,
		components.CodeUsageExceeded)
	change(components.OperationSet, nil, components.KeyCreditsData{})
	s.same("a key without a limit verified", s.verify(created.Key).Credits, (*int64)(nil))
	_, err := s.un.Keys.UpdateCredits(s.ctx,
		components.V2KeysUpdateCreditsRequestBody{KeyID: created.KeyID,
			Operation: components.OperationIncrement, Value: n(1)})
	s.fails("an increment of no limit", err, badRequest)
}
