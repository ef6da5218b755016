package main

import (
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// ratelimitIDs ignores the ids of limits, which the server chooses, and the order of limits,
// which is not specified.
var ratelimitIDs = cmp.Options{
	cmpopts.IgnoreFields(components.RatelimitResponse{}, "ID"),
	cmpopts.SortSlices(func(a, b components.RatelimitResponse) bool { return a.Name < b.Name }),
}

// limit returns a rate limit of a request.
func limit(name string, limit int64, autoApply bool) components.RatelimitRequest {
	return components.RatelimitRequest{Name: name, Limit: limit, Duration: day,
		AutoApply: &autoApply}
}

// limitResponse returns the same rate limit as a response has it.
func limitResponse(name string, limit int64, autoApply bool) components.RatelimitResponse {
	return components.RatelimitResponse{Name: name, Limit: limit, Duration: day,
		AutoApply: autoApply}
}

func (s *suite) identity(identity string) components.Identity {
	return must(s.un.Identities.GetIdentity(s.ctx,
		components.V2IdentitiesGetIdentityRequestBody{Identity: identity})).
		V2IdentitiesGetIdentityResponseBody.Data
}

// identities creates, reads, updates and deletes an identity.
func (s *suite) identities() {
	external := unique("user")
	meta := map[string]any{"plan": "pro", "seats": 3.0, "tags": []any{"a", "b"},
		"nested": map[string]any{"on": true}}
	create := components.V2IdentitiesCreateIdentityRequestBody{
		ExternalID: external, Meta: meta,
		Ratelimits: []components.RatelimitRequest{limit("requests", 100, true),
			limit("tokens", 5000, false)},
	}
	id := must(s.un.Identities.CreateIdentity(s.ctx,
		create)).V2IdentitiesCreateIdentityResponseBody.Data.IdentityID
	want := components.Identity{ID: id, ExternalID: external, Meta: meta,
		Ratelimits: []components.RatelimitResponse{limitResponse("requests", 100, true),
			limitResponse("tokens", 5000, false)}}
	s.same("the identity by its id", s.identity(id), want, ratelimitIDs)
	s.same("the identity by its external id", s.identity(external), want, ratelimitIDs)

	_, err := s.un.Identities.CreateIdentity(s.ctx, create)
	s.fails("an external id taken twice", err, conflict)

	s.changeIdentity(id, external)
	s.listIdentity(id, external)
	s.deleteIdentity(id, external)
}

func (s *suite) changeIdentity(id, external string) {
	before := s.identity(id)
	update := func(body components.V2IdentitiesUpdateIdentityRequestBody) components.Identity {
		body.Identity = id
		return must(s.un.Identities.UpdateIdentity(s.ctx,
			body)).V2IdentitiesUpdateIdentityResponseBody.Data
	}
	want := components.Identity{ID: id, ExternalID: external, Meta: map[string]any{"plan": "free"},
		Ratelimits: []components.RatelimitResponse{limitResponse("requests", 7, true)}}
	body := components.V2IdentitiesUpdateIdentityRequestBody{
		Meta: want.Meta, Ratelimits: []components.RatelimitRequest{limit("requests", 7, true)}}
	s.same("the response to an update", update(body), want, ratelimitIDs)
	after := s.identity(id)
	s.same("the updated identity", after, want, ratelimitIDs)
	s.same("the id of a limit of the same name", limitID(after, "requests"),
		limitID(before, "requests"))

	update(components.V2IdentitiesUpdateIdentityRequestBody{
		Ratelimits: []components.RatelimitRequest{}})
	s.same("limits removed, meta kept", s.identity(id),
		components.Identity{ID: id, ExternalID: external, Meta: want.Meta})
	update(components.V2IdentitiesUpdateIdentityRequestBody{Meta: map[string]any{}})
	s.same("meta cleared", s.identity(id), components.Identity{ID: id, ExternalID: external})
}

func limitID(identity components.Identity, name string) string {
	for _, l := range identity.Ratelimits {
		if l.Name == name {
			return l.ID
		}
	}
	return ""
}

func (s *suite) listIdentity(id, external string) {
	page := must(s.un.Identities.ListIdentities(s.ctx,
		components.V2IdentitiesListIdentitiesRequestBody{Search: &external})).
		V2IdentitiesListIdentitiesResponseBody
	s.same("the identity found by search", page.Data,
		[]components.Identity{{ID: id, ExternalID: external}})
	s.same("the only page", page.Pagination, components.Pagination{})
}

func (s *suite) deleteIdentity(id, external string) {
	body := components.V2IdentitiesDeleteIdentityRequestBody{Identity: external}
	deleted := must(s.un.Identities.DeleteIdentity(s.ctx,
		body)).V2IdentitiesDeleteIdentityResponseBody
	s.holds("the response to a deletion has a request id", deleted.Meta.RequestID != "")
	_, err := s.un.Identities.GetIdentity(s.ctx,
		components.V2IdentitiesGetIdentityRequestBody{Identity: id})
	s.fails("getIdentity of a deleted identity", err, notFound)
	_, err = s.un.Identities.DeleteIdentity(s.ctx, body)
	s.fails("a second deletion", err, notFound)
}
