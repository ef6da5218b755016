package latchkey

import "context"

// AnalyticsRequest queries the event store in SQL.
type AnalyticsRequest struct {
	_ struct{} `check:"loose"`
	// Query is one SELECT statement in the dialect of ClickHouse, of at most 16,384 bytes.
	Query string `json:"query" check:"required,max=60000"`
}

// AnalyticsRow is one row of a query result: values by column name. Times are texts in
// RFC 3339; a number that isn't finite is null.
type AnalyticsRow map[string]any

// Analytics are the queries over past verifications and rate limits.
type Analytics struct{ c *Client }

// GetVerifications queries key verifications.
func (s Analytics) GetVerifications(
	ctx context.Context, r AnalyticsRequest, opts ...CallOption,
) ([]AnalyticsRow, error) {
	return call[[]AnalyticsRow](ctx, s.c, "analytics.getVerifications", &r, opts)
}

// GetRatelimits queries rate-limit decisions.
func (s Analytics) GetRatelimits(
	ctx context.Context, r AnalyticsRequest, opts ...CallOption,
) ([]AnalyticsRow, error) {
	return call[[]AnalyticsRow](ctx, s.c, "analytics.getRatelimits", &r, opts)
}
