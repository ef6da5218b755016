package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/coherence"
	"github.com/latchkeyhq/latchkey/internal/ratelimit"
	"github.com/latchkeyhq/latchkey/internal/store"
)

// ErrorDocs is the prefix of every error type. Clients of Unkey compare these
// URLs, so they are part of the protocol.
const ErrorDocs = "https://unkey.com/docs/errors/"

// errorKind is a kind of error: all of an error except its detail.
type errorKind struct {
	status int
	title  string
	suffix string
}

// The kinds of errors.
var (
	errInvalidInput = errorKind{
		http.StatusBadRequest, "Bad Request", "unkey/application/invalid_input",
	}
	errMalformed = errorKind{
		http.StatusBadRequest, "Bad Request", "unkey/authentication/malformed",
	}
	errQuerySyntax = errorKind{
		http.StatusBadRequest, "Bad Request", "user/bad_request/permissions_query_syntax_error",
	}
	errRootKeyNotFound = errorKind{
		http.StatusUnauthorized, "Unauthorized", "unkey/authentication/key_not_found",
	}
	errPortalSessionNotFound = errorKind{
		http.StatusUnauthorized, "Unauthorized", "unkey/authentication/portal_session_not_found",
	}
	errNotPermitted = errorKind{
		http.StatusForbidden, "Insufficient Permissions",
		"unkey/authorization/insufficient_permissions",
	}
	errForbidden = errorKind{
		http.StatusForbidden, "Forbidden", "unkey/authorization/forbidden",
	}
	errRootKeyDisabled = errorKind{
		http.StatusForbidden, "Key is disabled", "unkey/authorization/key_disabled",
	}
	errWorkspaceDisabled = errorKind{
		http.StatusForbidden, "Workspace is disabled", "unkey/authorization/workspace_disabled",
	}
	errProtected = errorKind{
		http.StatusPreconditionFailed, "Resource is protected",
		"unkey/application/protected_resource",
	}
	errPrecondition = errorKind{
		http.StatusPreconditionFailed, "Precondition Failed",
		"unkey/application/precondition_failed",
	}
	errAnalyticsNotConfigured = errorKind{
		http.StatusPreconditionFailed, "Precondition Failed", "unkey/data/analytics_not_configured",
	}
	errAnalyticsUnavailable = errorKind{
		http.StatusServiceUnavailable, "Service Unavailable",
		"unkey/data/analytics_connection_failed",
	}
	errQueryQuota = errorKind{
		http.StatusTooManyRequests, "Too Many Requests",
		"user/too_many_requests/query_quota_exceeded",
	}
	errNamespaceGone = errorKind{
		http.StatusGone, "Resource Gone", "unkey/data/ratelimit_namespace_gone",
	}
	errIdempotencyKeyReused = errorKind{
		http.StatusConflict, "Conflicting Resource", "user/conflict/idempotency_key_reused",
	}
	errTooManyRequests = errorKind{
		http.StatusTooManyRequests, "Too Many Requests",
		"user/too_many_requests/workspace_rate_limited",
	}
	errQuotaExceeded = errorKind{
		http.StatusForbidden, "Forbidden", "user/forbidden/workspace_quota_exceeded",
	}
	errRequestTimeout = errorKind{
		http.StatusRequestTimeout, "Request Timeout", "user/bad_request/request_timeout",
	}
	errClientClosed = errorKind{
		499, "Client Closed Request", "user/bad_request/client_closed_request",
	}
	errUnavailable = errorKind{
		http.StatusServiceUnavailable, "Service Unavailable",
		"unkey/application/service_unavailable",
	}
	errUnexpected = errorKind{
		http.StatusInternalServerError, "Internal Server Error",
		"unkey/application/unexpected_error",
	}
	errAPINotFound        = notFoundKind("api")
	errKeyNotFound        = notFoundKind("key")
	errIdentityNotFound   = notFoundKind("identity")
	errPermissionNotFound = notFoundKind("permission")
	errRoleNotFound       = notFoundKind("role")
	errMigrationNotFound  = notFoundKind("migration")
	errWorkspaceNotFound  = notFoundKind("workspace")
	errNamespaceNotFound  = notFoundKind("ratelimit_namespace")
	errOverrideNotFound   = notFoundKind("ratelimit_override")
	errPortalNotFound     = notFoundKind("portal")
	errWebhookNotFound    = notFoundKind("webhook")
	errDeliveryNotFound   = notFoundKind("webhook_delivery")
	errKeyspaceNotFound   = notFoundKind("key_space")
	errAppNotFound        = notFoundKind("app")
	errIdentityExists     = existsKind("identity")
	errPermissionExists   = existsKind("permission")
	errRoleExists         = existsKind("role")
	errPortalExists       = existsKind("portal")
	errBudgetNotFound     = notFoundKind("budget")
	errBudgetExists       = existsKind("budget")
	errReservationUnknown = notFoundKind("reservation")
	errReservationSettled = errorKind{
		http.StatusConflict, "Conflicting Resource", "unkey/data/reservation_settled",
	}
)

func notFoundKind(noun string) errorKind {
	return errorKind{http.StatusNotFound, "Not Found", "unkey/data/" + noun + "_not_found"}
}

func existsKind(noun string) errorKind {
	return errorKind{
		http.StatusConflict, "Conflicting Resource", "unkey/data/" + noun + "_already_exists",
	}
}

// with returns an error of this kind with a detail.
func (k errorKind) with(format string, args ...any) *latchkey.Error {
	return NewError(k.status, k.title, k.suffix, fmt.Sprintf(format, args...))
}

// NewError returns an error of a transport, which no operation returns. The suffix
// completes its type.
func NewError(status int, title, suffix, detail string) *latchkey.Error {
	return &latchkey.Error{Status: status, Title: title, Type: ErrorDocs + suffix, Detail: detail}
}

// Unexpected is the 500 that hides an internal error.
func Unexpected() *latchkey.Error {
	return errUnexpected.with(
		"Something went wrong on our side. The log has the reason under this request id.",
	)
}

// invalid returns the error of a request with invalid fields.
func invalid(faults ...latchkey.Fault) *latchkey.Error {
	e := errInvalidInput.with("The request has %d invalid or missing value(s), beginning with: %s",
		len(faults), faults[0].Message)
	e.Faults = faults
	return e
}

// orNotFound returns notFound if err is store.ErrNotFound, and else err.
func orNotFound(err error, notFound *latchkey.Error) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound
	}
	return err
}

// Invalid returns the error of a request with invalid fields.
func Invalid(faults ...latchkey.Fault) *latchkey.Error { return invalid(faults...) }

// public returns the *latchkey.Error for an error. Internal errors are logged with
// the request id and become a 500.
func (e *Engine) public(ctx context.Context, who Caller, operation string, err error) error {
	if err == nil { // before known, which is allocated because its address is taken
		return nil
	}
	var known *latchkey.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, store.ErrBusy):
		return tooManyWaiting()
	case errors.Is(err, ratelimit.ErrTooManyCounters):
		return errTooManyRequests.with("This workspace has more than a million live rate limit " +
			"counters, so new identifiers are refused until some expire. Use fewer identifiers or " +
			"shorter durations.")
	case errors.Is(err, context.Canceled):
		return errClientClosed.with("The client closed the request before the response was sent.")
	case errors.Is(err, context.DeadlineExceeded) && (ctx.Err() != nil || !unavailable(err)):
		return errRequestTimeout.with("The request took too long.")
	}
	e.log.ErrorContext(ctx, "operation failed",
		"operation", operation, "request", who.RequestID, "error", err)
	if store.IsReadOnly(err) {
		e := errUnavailable.with("The database accepts no changes at the moment: it is read-only.")
		e.RetryAfter = time.Second
		return e
	}
	if unavailable(err) {
		return Unavailable()
	}
	return Unexpected()
}

// tooManyWaiting is the error of a change while too many changes of its
// workspace wait.
func tooManyWaiting() *latchkey.Error {
	e := errTooManyRequests.with(
		"Too many changes of this workspace are waiting. Send fewer requests at once.")
	e.RetryAfter = time.Second
	return e
}

// Unavailable is the 503 while the database is unreachable. It doesn't say whether
// the request took effect, because that may be unknown. RetryAfter is short,
// because the official SDKs wait that long.
func Unavailable() *latchkey.Error {
	e := errUnavailable.with(
		"The service can't reach its database at the moment. Send the request again in a moment; " +
			"with an Idempotency-Key nothing is done twice.",
	)
	e.RetryAfter = time.Second
	return e
}

// unavailable reports whether the database was unreachable or did not respond in
// time.
func unavailable(err error) bool {
	return errors.Is(err, coherence.ErrTimeout) || store.IsUnavailable(err)
}
