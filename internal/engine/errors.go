package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// ErrorDocs is what every error type begins with. Clients of Unkey compare
// these URLs, so they are part of the protocol.
const ErrorDocs = "https://unkey.com/docs/errors/"

// kind is a kind of refusal: everything about an error but what happened this time.
type errorKind struct {
	status int
	title  string
	suffix string
}

// The kinds of refusal.
var (
	errInvalidInput           = errorKind{http.StatusBadRequest, "Bad Request", "unkey/application/invalid_input"}
	errMalformed              = errorKind{http.StatusBadRequest, "Bad Request", "unkey/authentication/malformed"}
	errQuerySyntax            = errorKind{http.StatusBadRequest, "Bad Request", "user/bad_request/permissions_query_syntax_error"}
	errRootKeyNotFound        = errorKind{http.StatusUnauthorized, "Unauthorized", "unkey/authentication/key_not_found"}
	errNotPermitted           = errorKind{http.StatusForbidden, "Insufficient Permissions", "unkey/authorization/insufficient_permissions"}
	errForbidden              = errorKind{http.StatusForbidden, "Forbidden", "unkey/authorization/forbidden"}
	errRootKeyDisabled        = errorKind{http.StatusForbidden, "Key is disabled", "unkey/authorization/key_disabled"}
	errWorkspaceDisabled      = errorKind{http.StatusForbidden, "Workspace is disabled", "unkey/authorization/workspace_disabled"}
	errProtected              = errorKind{http.StatusPreconditionFailed, "Resource is protected", "unkey/application/protected_resource"}
	errPrecondition           = errorKind{http.StatusPreconditionFailed, "Precondition Failed", "unkey/application/precondition_failed"}
	errAnalyticsNotConfigured = errorKind{http.StatusPreconditionFailed, "Precondition Failed", "unkey/data/analytics_not_configured"}
	errNamespaceGone          = errorKind{http.StatusGone, "Resource Gone", "unkey/data/ratelimit_namespace_gone"}
	errIdempotencyKeyReused   = errorKind{http.StatusConflict, "Conflicting Resource", "user/conflict/idempotency_key_reused"}
	errTooManyRequests        = errorKind{http.StatusTooManyRequests, "Too Many Requests", "user/too_many_requests/workspace_rate_limited"}
	errRequestTimeout         = errorKind{http.StatusRequestTimeout, "Request Timeout", "user/bad_request/request_timeout"}
	errClientClosed           = errorKind{499, "Client Closed Request", "user/bad_request/client_closed_request"}
	errUnavailable            = errorKind{http.StatusServiceUnavailable, "Service Unavailable", "unkey/application/service_unavailable"}
	errUnexpected             = errorKind{http.StatusInternalServerError, "Internal Server Error", "unkey/application/unexpected_error"}
	errAPINotFound            = notFoundKind("api")
	errKeyNotFound            = notFoundKind("key")
	errIdentityNotFound       = notFoundKind("identity")
	errPermissionNotFound     = notFoundKind("permission")
	errRoleNotFound           = notFoundKind("role")
	errMigrationNotFound      = notFoundKind("migration")
	errWorkspaceNotFound      = notFoundKind("workspace")
	errNamespaceNotFound      = notFoundKind("ratelimit_namespace")
	errOverrideNotFound       = notFoundKind("ratelimit_override")
	errIdentityExists         = existsKind("identity")
	errPermissionExists       = existsKind("permission")
	errRoleExists             = existsKind("role")
)

func notFoundKind(noun string) errorKind {
	return errorKind{http.StatusNotFound, "Not Found", "unkey/data/" + noun + "_not_found"}
}

func existsKind(noun string) errorKind {
	return errorKind{http.StatusConflict, "Conflicting Resource", "unkey/data/" + noun + "_already_exists"}
}

// because makes the error of this kind that says what happened.
func (k errorKind) with(format string, args ...any) *latchkey.Error {
	return NewError(k.status, k.title, k.suffix, fmt.Sprintf(format, args...))
}

// Refusal makes an error of a door's own, which no operation answers with. The
// suffix completes its type.
func NewError(status int, title, suffix, detail string) *latchkey.Error {
	return &latchkey.Error{Status: status, Title: title, Type: ErrorDocs + suffix, Detail: detail}
}

// Unexpected is the answer to what is not the caller's business.
func Unexpected() *latchkey.Error {
	return errUnexpected.with("Something went wrong on our side. The log has the reason under this request id.")
}

// invalid makes the error of a request that breaks rules of its fields.
func invalid(faults ...latchkey.Fault) *latchkey.Error {
	e := errInvalidInput.with("The request has %d invalid or missing value(s), beginning with: %s", len(faults), faults[0].Message)
	e.Faults = faults
	return e
}

// orMissing returns the refusal where err says that there is no such row, and
// any other error as it is.
func orNotFound(err error, refusal *latchkey.Error) error {
	if errors.Is(err, store.ErrNotFound) {
		return refusal
	}
	return err
}

// Invalid is the error of a request that can't be read.
func Invalid(faults ...latchkey.Fault) *latchkey.Error { return invalid(faults...) }

// public turns any error into the one to answer with. What is not meant for
// the caller is logged beside the request id and becomes a plain 500.
func (e *Engine) public(ctx context.Context, who Caller, operation string, err error) error {
	if err == nil { // before known, whose address makes it an allocation
		return nil
	}
	var known *latchkey.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, store.ErrBusy):
		return tooManyWaiting()
	case errors.Is(err, context.Canceled):
		return errClientClosed.with("The request was given up before it was answered.")
	case errors.Is(err, context.DeadlineExceeded) && (ctx.Err() != nil || !unavailable(err)):
		return errRequestTimeout.with("The request took too long.")
	}
	e.log.ErrorContext(ctx, "operation failed", "operation", operation, "request", who.RequestID, "error", err)
	if unavailable(err) {
		return Unavailable()
	}
	return Unexpected()
}

// tooManyWaiting is the answer to a change of a workspace of which too many wait.
func tooManyWaiting() *latchkey.Error {
	e := errTooManyRequests.with(
		"Too many changes of this workspace are waiting. Send fewer requests at once.")
	e.RetryAfter = time.Second
	return e
}

// Unavailable is the answer while the database is out of reach. It doesn't say
// whether anything was done, because that may be unknown. The time to wait is
// short, because the official SDKs wait as long as they are told.
func Unavailable() *latchkey.Error {
	e := errUnavailable.with("The service can't reach its database at the moment. Send the request again in a moment; with an Idempotency-Key nothing is done twice.")
	e.RetryAfter = time.Second
	return e
}

// unavailable reports whether an error says that the database can't be reached
// or doesn't respond in time.
func unavailable(err error) bool {
	return errors.Is(err, coherence.ErrTimeout) || store.IsUnavailable(err)
}
