package latchkey

import "context"

// AnalyticsRequest asks the event store a question in SQL.
type AnalyticsRequest struct {
	_ struct{} `check:"loose"`
	// Query is one SELECT statement.
	Query string `json:"query" check:"required"`
}

// AnalyticsRow is one row of an analytics answer, by column.
type AnalyticsRow map[string]any

// Analytics are the questions about what happened to keys and limits.
type Analytics struct{ c *Client }

// GetVerifications asks about key verifications.
func (s Analytics) GetVerifications(ctx context.Context, r AnalyticsRequest, opts ...CallOption) ([]AnalyticsRow, error) {
	return call[[]AnalyticsRow](ctx, s.c, "analytics.getVerifications", &r, opts)
}

// GetRatelimits asks about rate-limit decisions.
func (s Analytics) GetRatelimits(ctx context.Context, r AnalyticsRequest, opts ...CallOption) ([]AnalyticsRow, error) {
	return call[[]AnalyticsRow](ctx, s.c, "analytics.getRatelimits", &r, opts)
}
