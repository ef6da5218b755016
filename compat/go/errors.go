package main

import (
	"errors"
	"strings"

	"github.com/unkeyed/sdks/api/go/v2/models/apierrors"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
	"github.com/unkeyed/sdks/api/go/v2/retry"

	unkey "github.com/unkeyed/sdks/api/go/v2"
)

// refusal is an error as the SDK tells of it.
type refusal struct {
	Class  string // name of the SDK's error type
	Status int64
	Type   string // the end of the error's type
}

// The refusals that operations share. A type is said where it is always the same.
var (
	badRequest      = refusal{"BadRequestErrorResponse", 400, "unkey/application/invalid_input"}
	unauthorized    = refusal{"UnauthorizedErrorResponse", 401, "unkey/authentication/key_not_found"}
	forbidden       = refusal{"ForbiddenErrorResponse", 403, "unkey/authorization/insufficient_permissions"}
	notFound        = refusal{"NotFoundErrorResponse", 404, "_not_found"}
	conflict        = refusal{"ConflictErrorResponse", 409, "_already_exists"}
	gone            = refusal{"GoneErrorResponse", 410, "unkey/data/ratelimit_namespace_gone"}
	protected       = refusal{"PreconditionFailedErrorResponse", 412, "unkey/application/protected_resource"}
	tooManyRequests = refusal{"TooManyRequestsErrorResponse", 429, "user/too_many_requests/workspace_rate_limited"}
)

// refused checks that an error is of the expected type of the SDK and says all
// that its type has room for.
func (s *suite) refused(what string, err error, want refusal) {
	class, meta, body := told(err)
	same := s.same(what, refusal{class, body.Status, lastOf(body.Type, want.Type)}, want)
	if same && want.Type != "" {
		s.holds(what+" is explained", meta.RequestID != "" && body.Title != "" && body.Detail != "", err)
	}
}

// lastOf returns suffix if text ends with it, else the text.
func lastOf(text, suffix string) string {
	if strings.HasSuffix(text, suffix) {
		return suffix
	}
	return text
}

// told takes an error of the SDK apart.
func told(err error) (class string, meta components.Meta, body components.BaseError) {
	switch e := err.(type) {
	case *apierrors.BadRequestErrorResponse:
		if e.Error_.Errors == nil {
			return "BadRequestErrorResponse without a list of errors", e.Meta, body
		}
		body = components.BaseError{Detail: e.Error_.Detail, Status: e.Error_.Status, Title: e.Error_.Title, Type: e.Error_.Type}
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
	return untyped(err)
}

// untyped tells of an error that the SDK has no type for.
func untyped(err error) (class string, meta components.Meta, body components.BaseError) {
	var fallback *apierrors.APIError
	switch {
	case errors.As(err, &fallback):
		return "APIError", meta, components.BaseError{Status: int64(fallback.StatusCode)}
	case err == nil:
		return "no error", meta, body
	}
	return err.Error(), meta, body
}

// otherErrors are those that only some operations have, or only some servers.
func (s *suite) otherErrors() {
	api := s.newAPI()
	latchkey("apis", "update", api, "deleteProtection=true")
	_, err := s.un.Apis.DeleteAPI(s.ctx, components.V2ApisDeleteAPIRequestBody{APIID: api})
	s.refused("deleteApi of a protected API", err, protected)
	_, err = s.un.Keys.CreateKey(s.ctx, components.V2KeysCreateKeyRequestBody{APIID: api, Recoverable: unkey.Pointer(true)})
	s.refused("a recoverable key where none are stored", err, refusal{"APIError", 412, ""})

	namespace := unique("gone")
	s.count(limitOf(namespace, "anybody", 1))
	latchkey("namespaces", "delete", namespace)
	_, err = s.un.Ratelimit.Limit(s.ctx, limitOf(namespace, "anybody", 1))
	s.refused("limit in a deleted namespace", err, gone)
	_, err = s.un.Ratelimit.MultiLimit(s.ctx, []components.V2RatelimitLimitRequestBody{limitOf(namespace, "anybody", 1)})
	s.refused("multiLimit in a deleted namespace", err, gone)

	few := s.client(latchkey("workspaces", "create", unique("few"), "--requests-per-minute", "2"))
	statuses := []string{}
	for range 4 {
		_, err := few.Permissions.ListRoles(s.ctx, components.V2PermissionsListRolesRequestBody{})
		class, _, _ := told(err)
		statuses = append(statuses, class)
	}
	s.same("a workspace with two requests a minute", statuses, []string{"no error", "no error", tooManyRequests.Class, tooManyRequests.Class})

	nobody := unkey.New(unkey.WithServerURL(env("BASE_URL")), unkey.WithRetryConfig(retry.Config{Strategy: "none"}))
	_, err = nobody.Permissions.ListRoles(s.ctx, components.V2PermissionsListRolesRequestBody{})
	s.refused("no root key", err, badRequest)
}
