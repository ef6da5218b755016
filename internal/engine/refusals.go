package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// reasons are why callers are refused: the label of the metric, and in the log. They are
// found by the suffix of the error's type.
var reasons = [...]struct{ name, of string }{
	refusedMalformed: {"malformed_root_key", errMalformed.suffix},
	refusedUnknown:   {"unknown_root_key", errRootKeyNotFound.suffix},
	refusedDisabled:  {"disabled_root_key", errRootKeyDisabled.suffix},
	refusedExpired:   {"expired_root_key", errForbidden.suffix},
	refusedWorkspace: {"disabled_workspace", errWorkspaceDisabled.suffix},
	refusedDeleted:   {"deleted_workspace", errWorkspaceNotFound.suffix},
	refusedSession:   {"unknown_portal_session", errPortalSessionNotFound.suffix},

	refusedQuota: {"request_limit", errTooManyRequests.suffix},

	refusedPermission: {"missing_permission", errNotPermitted.suffix},
}

const (
	refusedMalformed = iota
	refusedUnknown
	refusedDisabled
	refusedExpired
	refusedWorkspace
	refusedDeleted
	refusedSession
	refusedQuota
	refusedPermission
)

// The lines that the log gets of one address.
const (
	lineInterval = time.Second / 10
	lineBurst    = time.Second
)

// refusals counts refused requests, and limits their lines in the log.
type refusals struct {
	counts [len(reasons)]atomic.Uint64
	lines  *pace // of addresses
}

func newRefusals() *refusals {
	const buckets = 1 << 10
	return &refusals{lines: newPace(buckets, lineInterval, lineBurst)}
}

// refuse counts a refused request, and logs it unless its address has had too many lines.
// A request limit is no matter of security, so it is only counted.
func (e *Engine) refuse(ctx context.Context, who *Caller, reason int) {
	e.refusals.counts[reason].Add(1)
	if reason == refusedQuota || !e.refusals.logs(who.RemoteIP) {
		return
	}
	line := []slog.Attr{
		slog.String("reason", reasons[reason].name), slog.String("request", who.RequestID),
		slog.String("address", who.RemoteIP),
	}
	if who.op != nil {
		line = append(line, slog.String("operation", who.op.Name))
	}
	switch {
	case who.root == nil || who.root.id == "":
	case who.root.session != nil:
		line = append(line, slog.String("portalSession", who.root.id))
	case who.root.holder != nil:
		line = append(line, slog.String("key", who.root.id))
	default:
		line = append(line, slog.String("rootKey", who.root.id))
	}
	e.log.LogAttrs(ctx, slog.LevelWarn, "request refused", line...)
}

// logs reports whether the log gets another line of the address.
func (r *refusals) logs(address string) bool {
	b := r.lines.bucket(network(address))
	if r.lines.excess(b)+lineInterval > 0 {
		return false
	}
	r.lines.add(b, 0)
	return true
}

// refuseCaller is refuse for an error from before the operation. Errors that refuse
// nobody don't count.
func (e *Engine) refuseCaller(ctx context.Context, who *Caller, err error) {
	var refusal *latchkey.Error
	if !errors.As(err, &refusal) {
		return
	}
	for reason := range reasons {
		if refusal.Type == ErrorDocs+reasons[reason].of {
			e.refuse(ctx, who, reason)
			return
		}
	}
}

// refuseOperation is refuse for an error of an operation, if it is that a permission is
// missing.
func (e *Engine) refuseOperation(ctx context.Context, who *Caller, err error) {
	var hidden *maskedError
	var refusal *latchkey.Error
	if errors.As(err, &hidden) ||
		errors.As(err, &refusal) && refusal.Type == ErrorDocs+errNotPermitted.suffix {
		e.refuse(ctx, who, refusedPermission)
	}
}

// maskedError is the error of a missing permission that looks like that of something that
// does not exist.
type maskedError struct{ shown *latchkey.Error }

func (e *maskedError) Error() string { return e.shown.Error() }
func (e *maskedError) Unwrap() error { return e.shown }
