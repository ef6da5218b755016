package main

import (
	"strings"

	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// newAPI creates an API and returns its id.
func (s *suite) newAPI() string {
	return must(s.un.Apis.CreateAPI(s.ctx,
		components.V2ApisCreateAPIRequestBody{Name: unique("api")})).
		V2ApisCreateAPIResponseBody.Data.APIID
}

// apis creates, reads and deletes an API.
func (s *suite) apis() {
	name := unique("payments")
	created := must(s.un.Apis.CreateAPI(s.ctx,
		components.V2ApisCreateAPIRequestBody{Name: name})).V2ApisCreateAPIResponseBody
	s.holds("an API's id", strings.HasPrefix(created.Data.APIID, "api_"), created.Data.APIID)
	s.holds("a request's id", strings.HasPrefix(created.Meta.RequestID, "req_"),
		created.Meta.RequestID)

	get := components.V2ApisGetAPIRequestBody{APIID: created.Data.APIID}
	s.same("the API read back", must(s.un.Apis.GetAPI(s.ctx, get)).V2ApisGetAPIResponseBody.Data,
		components.V2ApisGetAPIResponseData{ID: created.Data.APIID, Name: name})

	empty := must(s.un.Apis.ListKeys(s.ctx,
		components.V2ApisListKeysRequestBody{APIID: created.Data.APIID})).V2ApisListKeysResponseBody
	s.same("the keys of a new API", empty.Data, []components.KeyResponseData{})
	s.same("the page of no keys", empty.Pagination, components.Pagination{})

	key := s.newKey(components.V2KeysCreateKeyRequestBody{APIID: created.Data.APIID})
	must(s.un.Apis.DeleteAPI(s.ctx, components.V2ApisDeleteAPIRequestBody{
		APIID: created.Data.APIID}))
	_, err := s.un.Apis.GetAPI(s.ctx, get)
	s.fails("getApi of a deleted API", err, notFound)
	s.same("a key of a deleted API", s.verify(key.Key),
		components.V2KeysVerifyKeyResponseData{Code: components.CodeNotFound})
	_, err = s.un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{
		APIID: created.Data.APIID})
	s.fails("createKey in a deleted API", err, notFound)
}
