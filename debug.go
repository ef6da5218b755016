package latchkey

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// span is an attempt that will be logged; the zero value is not.
type span struct {
	log   *slog.Logger
	begun time.Time
}

// begin starts timing an attempt; it is a no-op unless debug logging is on.
func (c *Client) begin(ctx context.Context) span {
	if c.log == nil || !c.log.Enabled(ctx, slog.LevelDebug) {
		return span{}
	}
	return span{c.log, time.Now()}
}

// end logs an attempt: the name of the operation, numbers, the request id and
// words of this file. Requests, responses, headers and texts of errors, which
// might hold secrets, are not arguments of the line.
func (s span) end(ctx context.Context, a *Attempt, answer Answer, err error) {
	if s.log == nil {
		return
	}
	line := []slog.Attr{slog.String("operation", a.Operation), slog.Int("attempt", a.Number)}
	var refused *Error
	switch {
	case err == nil:
		line = append(line, slog.Int("status", http.StatusOK), slog.String("request", answer.RequestID))
	case errors.As(err, &refused):
		line = append(line, slog.Int("status", refused.Status), slog.String("request", refused.RequestID))
	default:
		line = append(line, slog.String("failure", failureOf(ctx, err)))
	}
	line = append(line, slog.Duration("took", time.Since(s.begun)))
	s.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelDebug, "latchkey", line...)
}

// failureOf names the reason why there was no response. The error that the caller
// gets says more.
func failureOf(ctx context.Context, err error) string {
	var permanent *permanentError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case neverSent(err):
		return "no connection"
	case errors.As(err, &permanent):
		return "unreadable"
	}
	return "connection lost"
}
