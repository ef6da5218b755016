package main

import (
	"strings"

	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// newAPI makes an API and returns its id.
func (s *suite) newAPI() string {
	return must(s.un.Apis.CreateAPI(s.ctx, components.V2ApisCreateAPIRequestBody{Name: unique("api")})).
		V2ApisCreateAPIResponseBody.Data.APIID
}

// apis makes, reads and deletes an API.
func (s *suite) apis() {
	name := unique("payments")
	made := must(s.un.Apis.CreateAPI(s.ctx, components.V2ApisCreateAPIRequestBody{Name: name})).V2ApisCreateAPIResponseBody
	s.holds("an API's id", strings.HasPrefix(made.Data.APIID, "api_"), made.Data.APIID)
	s.holds("a request's id", strings.HasPrefix(made.Meta.RequestID, "req_"), made.Meta.RequestID)

	get := components.V2ApisGetAPIRequestBody{APIID: made.Data.APIID}
	s.same("the API read back", must(s.un.Apis.GetAPI(s.ctx, get)).V2ApisGetAPIResponseBody.Data,
		components.V2ApisGetAPIResponseData{ID: made.Data.APIID, Name: name})

	empty := must(s.un.Apis.ListKeys(s.ctx, components.V2ApisListKeysRequestBody{APIID: made.Data.APIID})).V2ApisListKeysResponseBody
	s.same("the keys of a new API", empty.Data, []components.KeyResponseData{})
	s.same("the page of no keys", empty.Pagination, components.Pagination{})

	key := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: made.Data.APIID})
	must(s.un.Apis.DeleteAPI(s.ctx, components.V2ApisDeleteAPIRequestBody{APIID: made.Data.APIID}))
	_, err := s.un.Apis.GetAPI(s.ctx, get)
	s.refused("getApi of a deleted API", err, notFound)
	s.same("a key of a deleted API", s.verify(key.Key), components.V2KeysVerifyKeyResponseData{Code: components.CodeNotFound})
	_, err = s.un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{APIID: made.Data.APIID})
	s.refused("createKey in a deleted API", err, notFound)
}
