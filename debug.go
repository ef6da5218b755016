package latchkey

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// span is an attempt under way that will be logged; the zero value won't.
type span struct {
	log   *slog.Logger
	begun time.Time
}

// begin begins an attempt for the log, if anybody reads it.
func (c *Client) begin(ctx context.Context) span {
	if c.log == nil || !c.log.Enabled(ctx, slog.LevelDebug) {
		return span{}
	}
	return span{c.log, time.Now()}
}

// end logs an attempt. The line is made of the operation's name, numbers, the
// service's request id and words that stand here: of requests, headers, answers
// and texts of errors, where secrets might be, nothing can get into it.
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

// failureOf says in a word why there was no answer. The error that the caller
// gets says more.
func failureOf(ctx context.Context, err error) string {
	var hopeless *hopelessError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case neverSent(err):
		return "no connection"
	case errors.As(err, &hopeless):
		return "unreadable"
	}
	return "connection lost"
}
