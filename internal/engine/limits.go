package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// setLimits replaces the rate limits of a key or an identity by name and returns
// them in name order, never nil. A limit whose name is kept keeps its id; of a
// repeated name the last one counts. The caller invalidates the owner.
func (c *Change) setLimits(
	ctx context.Context, owner latchkey.AuditTarget, requests []latchkey.RatelimitRequest,
) ([]latchkey.Ratelimit, error) {
	rows, err := c.tx.Limits(ctx, owner.ID)
	if err != nil {
		return nil, err
	}
	return c.replaceLimits(ctx, owner, rows, requests)
}

// replaceLimits is setLimits for an owner that has these limits.
func (c *Change) replaceLimits(
	ctx context.Context, owner latchkey.AuditTarget, rows []read.Limit,
	requests []latchkey.RatelimitRequest,
) ([]latchkey.Ratelimit, error) {
	wanted := make(map[string]latchkey.RatelimitRequest, len(requests))
	for _, r := range requests {
		wanted[r.Name] = r
	}
	had := make(map[string]latchkey.Ratelimit, len(rows))
	for _, row := range rows {
		had[row.Name] = storedLimit(row)
		if _, keep := wanted[row.Name]; !keep {
			if err := c.deleteLimit(ctx, owner, had[row.Name]); err != nil {
				return nil, err
			}
		}
	}
	limits := make([]latchkey.Ratelimit, 0, len(wanted))
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		limit, err := c.putLimit(ctx, owner, had[name], wanted[name])
		if err != nil {
			return nil, err
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

// copyLimits copies the limits of a key to another one, with new ids.
func (c *Change) copyLimits(ctx context.Context, to latchkey.AuditTarget, from string) error {
	rows, err := c.tx.Limits(ctx, from)
	if err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	requests := make([]latchkey.RatelimitRequest, len(rows))
	for i, l := range rows {
		requests[i] = storedLimit(l).Request()
	}
	_, err = c.replaceLimits(ctx, to, nil, requests)
	return err
}

// putLimit inserts the requested limit, or updates the limit that the owner had if
// it differs. The zero limit is none.
func (c *Change) putLimit(
	ctx context.Context, owner latchkey.AuditTarget, had latchkey.Ratelimit,
	r latchkey.RatelimitRequest,
) (latchkey.Ratelimit, error) {
	limit := latchkey.Ratelimit{
		ID: had.ID, Name: r.Name, Limit: r.Limit, Duration: r.Duration,
		AutoApply: r.AutoApply.Or(false), Algorithm: r.Algorithm,
	}
	switch {
	case limit == had:
		return limit, nil
	case had.ID != "":
		c.auditUpdate(limitUpdated, had, limit, limitTarget(limit), owner)
		err := c.tx.UpdateLimit(ctx, write.UpdateLimitParams{
			ID: limit.ID, Amount: limit.Limit, Duration: limit.Duration.Milliseconds(),
			AutoApply: limit.AutoApply,
			Algorithm: string(limit.Algorithm),
		})
		if err != nil {
			return latchkey.Ratelimit{}, err
		}
		return limit, nil
	}
	limit.ID = NewID("rl")
	c.audit(limitCreated, limitTarget(limit), owner)
	err := c.tx.InsertLimit(ctx, write.InsertLimitParams{
		ID: limit.ID, OwnerID: owner.ID, Name: limit.Name,
		Amount: limit.Limit, Duration: limit.Duration.Milliseconds(), AutoApply: limit.AutoApply,
		Algorithm: string(limit.Algorithm),
	})
	if err != nil {
		return latchkey.Ratelimit{}, err
	}
	return limit, nil
}

func (c *Change) deleteLimit(
	ctx context.Context, owner latchkey.AuditTarget, limit latchkey.Ratelimit,
) error {
	c.audit(limitDeleted, limitTarget(limit), owner)
	return c.tx.DeleteLimit(ctx, limit.ID)
}

func storedLimit(row read.Limit) latchkey.Ratelimit {
	return latchkey.Ratelimit{
		ID: row.ID, Name: row.Name, Limit: row.Amount,
		Duration: latchkey.PerMilli(row.Duration), AutoApply: row.AutoApply,
		Algorithm: latchkey.Algorithm(row.Algorithm),
	}
}

// storedLimits returns nil for no rows, so that a response omits the field.
func storedLimits(rows []read.Limit) []latchkey.Ratelimit {
	var limits []latchkey.Ratelimit
	for _, row := range rows {
		limits = append(limits, storedLimit(row))
	}
	return limits
}

func limitTarget(limit latchkey.Ratelimit) latchkey.AuditTarget {
	return target("ratelimit", limit.ID, limit.Name)
}
