package main

import (
	"errors"
	"strings"

	"github.com/unkeyed/sdks/api/go/v2/models/apierrors"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
	"github.com/unkeyed/sdks/api/go/v2/retry"

	unkey "github.com/unkeyed/sdks/api/go/v2"
)

// sdkError describes an error of the SDK.
type sdkError struct {
	Class  string // name of the SDK's error type
	Status int64
	Type   string // suffix of the error's type URL
}

// The errors that operations share. Type is set where it is always the same.
var (
	badRequest   = sdkError{"BadRequestErrorResponse", 400, "unkey/application/invalid_input"}
	unauthorized = sdkError{"UnauthorizedErrorResponse", 401,
		"unkey/authentication/key_not_found"}
	forbidden = sdkError{"ForbiddenErrorResponse", 403,
		"unkey/authorization/insufficient_permissions"}
	notFound  = sdkError{"NotFoundErrorResponse", 404, "_not_found"}
	conflict  = sdkError{"ConflictErrorResponse", 409, "_already_exists"}
	gone      = sdkError{"GoneErrorResponse", 410, "unkey/data/ratelimit_namespace_gone"}
	protected = sdkError{"PreconditionFailedErrorResponse", 412,
		"unkey/application/protected_resource"}
	tooManyRequests = sdkError{"TooManyRequestsErrorResponse", 429,
		"user/too_many_requests/workspace_rate_limited"}
)

// fails checks that an error has the expected SDK type, and that its title, detail and request
// id are set.
func (s *suite) fails(what string, err error, want sdkError) {
	class, meta, body := inspect(err)
	same := s.same(what, sdkError{class, body.Status, lastOf(body.Type, want.Type)}, want)
	if same && want.Type != "" {
		s.holds(what+" has request id, title and detail", meta.RequestID != "" &&
			body.Title != "" && body.Detail != "", err)
	}
}

// lastOf returns suffix if text ends with it, and text otherwise.
func lastOf(text, suffix string) string {
	if strings.HasSuffix(text, suffix) {
		return suffix
	}
	return text
}

// inspect returns the type name, metadata and body of an SDK error.
func inspect(err error) (class string, meta components.Meta, body components.BaseError) {
	switch e := err.(type) {
	case *apierrors.BadRequestErrorResponse:
		if e.Error_.Errors == nil {
			return "BadRequestErrorResponse without a list of errors", e.Meta, body
		}
		body = components.BaseError{Detail: e.Error_.Detail, Status: e.Error_.Status,
			Title: e.Error_.Title, Type: e.Error_.Type}
		return "BadRequestErrorResponse", e.Meta, body
	case *apierrors.UnauthorizedErrorResponse:
		return "UnauthorizedErrorResponse", e.Meta, e.Error_
	case *apierrors.ForbiddenErrorResponse:
		return "ForbiddenErrorResponse", e.Meta, e.Error_
	case *apierrors.NotFoundErrorResponse:
		return "NotFoundErrorResponse", e.Meta, e.Error_
	case *apierrors.ConflictErrorResponse:
		return "ConflictErrorResponse", e.Meta, e.Error_
	case *apierrors.GoneErrorResponse:
		return "GoneErrorResponse", e.Meta, e.Error_
	case *apierrors.PreconditionFailedErrorResponse:
		return "PreconditionFailedErrorResponse", e.Meta, e.Error_
	case *apierrors.TooManyRequestsErrorResponse:
		return "TooManyRequestsErrorResponse", e.Meta, e.Error_
	case *apierrors.InternalServerErrorResponse:
		return "InternalServerErrorResponse", e.Meta, e.Error_
	}
	return inspectUntyped(err)
}

// inspectUntyped describes an error that the SDK has no type for.
func inspectUntyped(err error) (class string, meta components.Meta, body components.BaseError) {
	var fallback *apierrors.APIError
	switch {
	case errors.As(err, &fallback):
		return "APIError", meta, components.BaseError{Status: int64(fallback.StatusCode)}
	case err == nil:
		return "no error", meta, body
	}
	return err.Error(), meta, body
}

// otherErrors checks errors that only some operations have, or only some servers.
func (s *suite) otherErrors() {
	api := s.newAPI()
	latchkey("apis", "update", api, "--delete-protection")
	_, err := s.un.Apis.DeleteAPI(s.ctx, components.V2ApisDeleteAPIRequestBody{APIID: api})
	s.fails("deleteApi of a protected API", err, protected)
	_, err = s.un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{APIID: api,
		Recoverable: unkey.Pointer(true)})
	s.fails("a recoverable key in an API without encrypted storage", err,
		sdkError{"APIError", 412, ""})

	namespace := unique("gone")
	s.limit(limitRequest(namespace, "anybody", 1))
	latchkey("namespaces", "delete", namespace)
	_, err = s.un.Ratelimit.Limit(s.ctx, limitRequest(namespace, "anybody", 1))
	s.fails("limit in a deleted namespace", err, gone)
	_, err = s.un.Ratelimit.MultiLimit(s.ctx,
		[]components.V2RatelimitLimitRequestBody{limitRequest(namespace, "anybody", 1)})
	s.fails("multiLimit in a deleted namespace", err, gone)

	few := s.client(latchkey("workspaces", "create", unique("few"), "--requests-per-minute", "2"))
	statuses := []string{}
	for range 4 {
		_, err := few.Permissions.ListRoles(s.ctx, components.V2PermissionsListRolesRequestBody{})
		class, _, _ := inspect(err)
		statuses = append(statuses, class)
	}
	s.same("a workspace with two requests a minute", statuses,
		[]string{"no error", "no error", tooManyRequests.Class, tooManyRequests.Class})

	unknownKey := unkey.New(unkey.WithServerURL(env("BASE_URL")),
		unkey.WithRetryConfig(retry.Config{Strategy: "none"}))
	_, err = unknownKey.Permissions.ListRoles(s.ctx, components.V2PermissionsListRolesRequestBody{})
	s.fails("no root key", err, badRequest)
}
