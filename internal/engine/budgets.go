package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/period"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// CreateBudget creates a budget. Attach it to keys and identities with budgets.attach, or spend
// from it with budgets.spend and budgets.reserve.
//
// A name that is taken returns 409.
func (e *Engine) CreateBudget(
	ctx context.Context, who Caller, r *latchkey.CreateBudgetRequest,
) (latchkey.CreatedBudget, error) {
	row := read.Budget{
		Overshoot: string(latchkey.ChargeOvershoot), OnExpiry: string(latchkey.ReleaseOnExpiry),
		Enabled: true,
	}
	if err := applyBudget(&row, &latchkey.UpdateBudgetRequest{
		Name: latchkey.Set(r.Name), Unit: latchkey.Set(r.Unit), Allowance: r.Allowance,
		Period: r.Period, Overshoot: r.Overshoot, OnExpiry: r.OnExpiry, MaxOpen: r.MaxOpen,
		Thresholds: latchkey.Set(r.Thresholds), Enabled: r.Enabled, Meta: latchkey.Set(r.Meta),
	}); err != nil {
		return latchkey.CreatedBudget{}, err
	}
	return change(ctx, e, who, func(ctx context.Context, c *Change) (latchkey.CreatedBudget, error) {
		row := row
		row.ID, row.WorkspaceID, row.CreatedAt = NewID("bud"), who.WorkspaceID(), c.now
		row.Search = searchText(row.ID, row.Name)
		if err := c.requireFreeBudgetName(ctx, row.Name); err != nil {
			return latchkey.CreatedBudget{}, err
		}
		if err := c.count(ctx, quotaBudgets, 1); err != nil {
			return latchkey.CreatedBudget{}, err
		}
		c.audit(budgetCreated, target("budget", row.ID, row.Name))
		if err := c.tx.InsertBudget(ctx, write.InsertBudgetParams(row)); err != nil {
			return latchkey.CreatedBudget{}, fmt.Errorf("budget: %w", err)
		}
		if err := c.tx.InsertBalance(ctx, write.InsertBalanceParams{
			ID: row.ID, WorkspaceID: row.WorkspaceID,
		}); err != nil {
			return latchkey.CreatedBudget{}, fmt.Errorf("balance: %w", err)
		}
		return latchkey.CreatedBudget{BudgetID: row.ID}, e.keep(ctx, c,
			func(ctx context.Context, l *ledger) error {
				_, err := l.byID(ctx, row.ID) // begins its first period
				return err
			})
	})
}

// GetBudget returns a budget by its id or name. If the id of one is the name of another one,
// the id wins. What has expired a moment ago can still be shown as reserved.
func (e *Engine) GetBudget(
	ctx context.Context, who Caller, r *latchkey.GetBudgetRequest,
) (latchkey.Budget, error) {
	row, err := e.readBudget(ctx, who, r.Budget)
	if err != nil {
		return latchkey.Budget{}, err
	}
	return e.describeBudget(row)
}

// ListBudgets returns the budgets of the workspace in a fixed order, page by page. With search,
// only those whose id or name contains the text are listed.
func (e *Engine) ListBudgets(
	ctx context.Context, who Caller, r *latchkey.ListBudgetsRequest,
) (latchkey.Page[latchkey.Budget], error) {
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.BudgetsPageRow) string { return row.Budget.ID },
		func(cursor string, most int64) ([]read.BudgetsPageRow, error) {
			return e.db.BudgetsPage(ctx, read.BudgetsPageParams{
				WorkspaceID: who.WorkspaceID(), FromID: cursor, Pattern: searchPattern(r.Search),
				Most: most,
			})
		},
		func(rows []read.BudgetsPageRow) ([]latchkey.Budget, error) {
			if len(rows) == 0 {
				return nil, who.requireSome()
			}
			return eachOr(func(row read.BudgetsPageRow) (latchkey.Budget, error) {
				if !who.permits("", ids{Budget: row.Budget.ID}) {
					return latchkey.Budget{}, who.require(everything)
				}
				return e.describeBudget(read.BudgetRow(row))
			})(rows)
		})
}

// requireSome returns an error unless the caller can call its operation for some id.
func (c *Caller) requireSome() error {
	for i := range c.op.rules {
		if r := &c.op.rules[i]; r.when == "" && !r.satisfiedForSome(c.root.grants) {
			return r.missing(c.root.workspace, &everything)
		}
	}
	return nil
}

// UpdateBudget changes a budget. Absent fields keep their values and null clears them. Nothing
// that was spent is forgotten: a new allowance counts from this period on, and a new period
// only says when this one ends.
//
// A name that is taken returns 409.
func (e *Engine) UpdateBudget(
	ctx context.Context, who Caller, r *latchkey.UpdateBudgetRequest,
) error {
	if err := applyBudget(new(read.Budget), r); err != nil {
		return err
	}
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		return e.keep(ctx, c, func(ctx context.Context, l *ledger) error {
			b, err := l.named(ctx, r.Budget)
			if err != nil {
				return err
			}
			return l.update(ctx, b, r)
		})
	})
}

func (l *ledger) update(ctx context.Context, b *budget, r *latchkey.UpdateBudgetRequest) error {
	old := b.Budget
	if err := applyBudget(&b.Budget, r); err != nil {
		return err
	}
	if b.Name != old.Name {
		if err := l.requireFreeBudgetName(ctx, b.Name); err != nil {
			return err
		}
	}
	if b.Every != old.Every || b.TimeZone != old.TimeZone || b.Anchor != old.Anchor {
		zone, err := l.e.zone(b.TimeZone)
		if err != nil {
			return err
		}
		b.period = period.Period{
			Every: period.Every(b.Every), Zone: zone, Anchor: int(b.Anchor),
		}
		_, b.at.PeriodEnd = b.period.At(l.now)
	}
	b.Search, b.UpdatedAt = searchText(b.ID, b.Name), l.now
	l.invalidate(b.ID)
	l.audit(budgetUpdated, target("budget", b.ID, b.Name))
	return l.tx.UpdateBudget(ctx, write.UpdateBudgetParams{
		ID: b.ID, Name: b.Name, Search: b.Search, Unit: b.Unit, Allowance: b.Allowance,
		Every: b.Every, TimeZone: b.TimeZone, Anchor: b.Anchor, Overshoot: b.Overshoot,
		OnExpiry: b.OnExpiry, MaxOpen: b.MaxOpen, Thresholds: b.Thresholds, Enabled: b.Enabled,
		Meta: b.Meta, UpdatedAt: b.UpdatedAt,
	})
}

// DeleteBudget deletes a budget. Its open reservations end released, what they have of other
// budgets too; keys and identities lose it; its statement is gone.
func (e *Engine) DeleteBudget(
	ctx context.Context, who Caller, r *latchkey.DeleteBudgetRequest,
) error {
	const few = 32
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		var b *budget
		var open []string
		err := e.keep(ctx, c, func(ctx context.Context, l *ledger) (err error) {
			if b, err = l.named(ctx, r.Budget); err != nil {
				return err
			}
			if open, err = l.tx.OpenOfBudget(ctx, b.ID, few); err != nil {
				return fmt.Errorf("open reservations: %w", err)
			}
			for _, reservation := range open {
				if err := l.release(ctx, reservation); err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case len(open) == few:
			return new(part)
		}
		return c.dropBudget(ctx, b.ID, b.Name)
	})
}

// dropBudget deletes a budget that has no open reservations, and detaches it.
func (c *Change) dropBudget(ctx context.Context, id, name string) error {
	owners, err := c.tx.OwnersOfBudget(ctx, id, maxRows)
	if err != nil {
		return fmt.Errorf("attachments: %w", err)
	}
	for _, owner := range owners {
		if err := c.tx.DetachBudget(ctx, id, owner); err != nil {
			return fmt.Errorf("attachments: %w", err)
		}
	}
	c.invalidate(id)
	if len(owners) == maxRows {
		return new(part)
	}
	c.audit(budgetDeleted, target("budget", id, name))
	if err := c.count(ctx, quotaBudgets, -1); err != nil {
		return err
	}
	if err := c.tx.DeleteBalance(ctx, id); err != nil {
		return fmt.Errorf("balance: %w", err)
	}
	return c.tx.DeleteBudget(ctx, id)
}

// Grant adds an amount to the balance of a budget, or takes it from it if it is negative. The
// balance can fall below zero; then nothing new can be spent until it is paid.
func (e *Engine) Grant(
	ctx context.Context, who Caller, r *latchkey.GrantBudgetRequest,
) (latchkey.GrantedBudget, error) {
	amount, _ := r.Amount.Get()
	if amount == 0 {
		return latchkey.GrantedBudget{}, invalid(latchkey.Fault{
			Location: "/properties/amount", Message: "amount must not be 0",
			Fix: "Send what to add to the balance, or a negative amount to take from it.",
		})
	}
	return change(ctx, e, who, func(
		ctx context.Context, c *Change,
	) (g latchkey.GrantedBudget, err error) {
		err = e.keep(ctx, c, func(ctx context.Context, l *ledger) error {
			b, err := l.named(ctx, r.Budget)
			if err != nil {
				return err
			}
			b.grant(amount, l.now)
			l.enter(b, l.hour(b), latchkey.BudgetGrant, "", amount)
			record := l.audit(budgetGranted, target("budget", b.ID, b.Name))
			record.Description += fmt.Sprintf(" by %d", amount)
			if r.Note != "" {
				record.Description += ": " + r.Note
			}
			g = latchkey.GrantedBudget{Balance: b.balance(), Remaining: b.remaining()}
			return nil
		})
		return g, err
	})
}

// maxAttached is how many budgets a key or an identity can have.
const maxAttached = 8

// Attach attaches a budget to a key or to all keys of an identity, which is created if there is
// none. A key that replaces the key in a reroll has the budget too. A key and an identity can
// have 8 budgets each. Attaching again changes autoApply.
func (e *Engine) Attach(ctx context.Context, who Caller, r *latchkey.AttachBudgetRequest) error {
	if err := exactlyOne("keyId", r.KeyID, "externalId", r.ExternalID); err != nil {
		return err
	}
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		b, err := e.newLedger(c).named(ctx, r.Budget)
		if err != nil {
			return err
		}
		owner, err := c.budgetOwner(ctx, r.KeyID)
		if err == nil && r.KeyID == "" {
			owner, err = c.identityFor(ctx, r.ExternalID)
		}
		if err != nil {
			return err
		}
		// attaching again is counted as one more, and detaching makes room
		if n, err := c.tx.CountAttachments(ctx, owner); err != nil {
			return fmt.Errorf("attachments: %w", err)
		} else if n >= maxAttached {
			if err := c.requireAttached(ctx, b.ID, owner); err != nil {
				return err
			}
		}
		c.invalidate(owner)
		c.audit(budgetAttached, target("budget", b.ID, b.Name), ownerTarget(owner, r.KeyID))
		return c.tx.AttachBudget(ctx, b.ID, owner, r.AutoApply.Or(true))
	})
}

// requireAttached returns the error of one budget too many, unless it is attached already.
func (c *Change) requireAttached(ctx context.Context, id, owner string) error {
	switch _, err := c.tx.Attached(ctx, id, owner); {
	case errors.Is(err, store.ErrNotFound):
		return invalid(latchkey.Fault{
			Location: "/properties/budget",
			Message:  fmt.Sprintf("a key or an identity can have %d budgets", maxAttached),
			Fix:      "Detach another budget first.",
		})
	default:
		return err
	}
}

// budgetOwner returns the owner of the budgets of a key, which is its family; "" without a key.
func (c *Change) budgetOwner(ctx context.Context, keyID string) (string, error) {
	if keyID == "" {
		return "", nil
	}
	row, err := c.tx.LiveKey(ctx, keyID, c.who.WorkspaceID())
	if err != nil {
		return "", orNotFound(err, keyNotFound())
	}
	return balanceID(&row.Key), nil
}

// Detach detaches a budget from a key or an identity. Open reservations can still be settled.
func (e *Engine) Detach(ctx context.Context, who Caller, r *latchkey.DetachBudgetRequest) error {
	if err := exactlyOne("keyId", r.KeyID, "externalId", r.ExternalID); err != nil {
		return err
	}
	return e.change(ctx, who, func(ctx context.Context, c *Change) error {
		b, err := e.newLedger(c).named(ctx, r.Budget)
		if err != nil {
			return err
		}
		owner, err := c.budgetOwner(ctx, r.KeyID)
		if err != nil {
			return err
		}
		if owner == "" {
			identity, err := c.tx.IdentityByExternalID(ctx, who.WorkspaceID(), r.ExternalID)
			if err != nil {
				return orNotFound(err, identityNotFound())
			}
			owner = identity.ID
		}
		c.invalidate(owner)
		c.audit(budgetDetached, target("budget", b.ID, b.Name), ownerTarget(owner, r.KeyID))
		return c.tx.DetachBudget(ctx, b.ID, owner)
	})
}

// ownerTarget names who has a budget for the audit log: a key or else an identity.
func ownerTarget(owner, keyID string) latchkey.AuditTarget {
	if keyID != "" {
		return target("key", keyID, "")
	}
	return target("identity", owner, "")
}

// ListAttachments returns the keys and identities that have a budget, page by page.
func (e *Engine) ListAttachments(
	ctx context.Context, who Caller, r *latchkey.ListBudgetAttachmentsRequest,
) (latchkey.Page[latchkey.BudgetAttachment], error) {
	b, err := e.readBudget(ctx, who, r.Budget)
	if err != nil {
		return latchkey.Page[latchkey.BudgetAttachment]{}, err
	}
	return pageOf(r.Cursor, pageSize(r.Limit, 100),
		func(row read.AttachmentsPageRow) string { return row.OwnerID },
		func(cursor string, most int64) ([]read.AttachmentsPageRow, error) {
			return e.db.AttachmentsPage(ctx, b.Budget.ID, cursor, most)
		},
		each(func(row read.AttachmentsPageRow) latchkey.BudgetAttachment {
			return latchkey.BudgetAttachment{
				KeyID: row.KeyID, ExternalID: row.ExternalID, AutoApply: row.AutoApply,
			}
		}))
}

// ListEntries returns the statement of a budget, page by page: sums of what was spent, settled,
// expired and granted, in order of time. They are exact and kept for 400 days.
//
// What a reservation is charged is in the hour in which it was made. One that expired is there
// as expire, with what it was charged; if it is settled late, settle has the difference.
func (e *Engine) ListEntries(
	ctx context.Context, who Caller, r *latchkey.ListBudgetEntriesRequest,
) (latchkey.Page[latchkey.BudgetEntry], error) {
	var none latchkey.Page[latchkey.BudgetEntry]
	b, err := e.readBudget(ctx, who, r.Budget)
	if err != nil {
		return none, err
	}
	place, err := parseEntryPlace(r.Cursor)
	if err != nil {
		return none, err
	}
	to := int64(math.MaxInt64)
	if !r.To.IsZero() {
		to = r.To.UnixMilli()
	}
	per := string(r.Per)
	return pageOf(place.String(), pageSize(r.Limit, 100),
		func(row read.BudgetEntriesPageRow) string {
			return entryPlace{row.Time, row.Kind, row.KeyID}.String()
		},
		func(cursor string, most int64) ([]read.BudgetEntriesPageRow, error) {
			from, err := parseEntryPlace(cursor)
			if err != nil {
				return nil, err
			}
			return e.db.BudgetEntriesPage(ctx, read.BudgetEntriesPageParams{
				BudgetID: b.Budget.ID, Per: per, ByKey: r.ByKey, FromHour: milliOrZero(r.From),
				ToHour: to, FromTime: from.time, FromKind: from.kind, FromKey: from.key, Most: most,
			})
		},
		each(func(row read.BudgetEntriesPageRow) latchkey.BudgetEntry {
			return latchkey.BudgetEntry{
				Time: latchkey.AtMilli(row.Time), Kind: latchkey.BudgetEntryKind(row.Kind),
				KeyID: row.KeyID, Count: row.Count, Amount: row.Amount,
			}
		}))
}

// entryPlace is a place in a statement.
type entryPlace struct {
	time      int64
	kind, key string
}

// String returns the place as a cursor.
func (p entryPlace) String() string { return fmt.Sprintf("%d,%s,%s", p.time, p.kind, p.key) }

// parseEntryPlace parses a cursor; "" is the beginning.
func parseEntryPlace(cursor string) (p entryPlace, err error) {
	if cursor == "" {
		return entryPlace{time: math.MinInt64}, nil
	}
	at, rest, _ := strings.Cut(cursor, ",")
	p.kind, p.key, _ = strings.Cut(rest, ",")
	if p.time, err = strconv.ParseInt(at, 10, 64); err != nil {
		return p, wrongCursor()
	}
	return p, nil
}

// wrongCursor is the error of a cursor that no page of the request has.
func wrongCursor() *latchkey.Error {
	return invalid(latchkey.Fault{
		Location: "/properties/cursor",
		Message:  "cursor must be the cursor of a page of the same request",
		Fix:      "Leave it out for the first page.",
	})
}

// readBudget reads a budget by its id or name, if the caller can call its operation on it.
func (e *Engine) readBudget(
	ctx context.Context, who Caller, name string,
) (read.BudgetRow, error) {
	row, err := e.db.Budget(ctx, who.WorkspaceID(), name)
	if err != nil {
		return read.BudgetRow{}, orNotFound(err, budgetNotFound(name))
	}
	return row, who.require(ids{Budget: row.Budget.ID})
}

// describeBudget returns a stored budget as the API has it.
func (e *Engine) describeBudget(row read.BudgetRow) (latchkey.Budget, error) {
	b, err := e.budgetOf(row, e.now())
	if err != nil {
		return latchkey.Budget{}, err
	}
	every := latchkey.Null[latchkey.BudgetPeriod]()
	if b.Every != "" {
		every = latchkey.Set(latchkey.BudgetPeriod{
			Every: latchkey.BudgetEvery(b.Every), TimeZone: b.TimeZone, Anchor: int(b.Anchor),
		})
	}
	thresholds := parseThresholds(b.Thresholds)
	if thresholds == nil {
		thresholds = []int64{}
	}
	return latchkey.Budget{
		ID: b.ID, Name: b.Name, Unit: b.Unit, Allowance: optional(b.Allowance), Period: every,
		Balance: b.balance(), Remaining: b.remaining(), Reserved: b.at.Reserved, Open: b.at.Open,
		Spent: b.at.Spent, Reset: b.reset(), Overshoot: latchkey.BudgetOvershoot(b.Overshoot),
		OnExpiry: latchkey.BudgetExpiry(b.OnExpiry), MaxOpen: optional(b.MaxOpen),
		Thresholds: thresholds, Enabled: b.Enabled, Meta: latchkey.Meta(b.Meta),
		CreatedAt: latchkey.AtMilli(b.CreatedAt), UpdatedAt: timeOf(b.UpdatedAt),
	}, nil
}

// applyBudget sets the columns that a request names.
func applyBudget(row *read.Budget, r *latchkey.UpdateBudgetRequest) error {
	row.Name, row.Enabled = r.Name.Or(row.Name), r.Enabled.Or(row.Enabled)
	if !r.Unit.IsZero() {
		row.Unit = r.Unit.Or("")
	}
	if !r.Allowance.IsZero() {
		row.Allowance = nullable(r.Allowance)
	}
	if !r.MaxOpen.IsZero() {
		row.MaxOpen = nullable(r.MaxOpen)
	}
	if r.Overshoot != "" {
		row.Overshoot = string(r.Overshoot)
	}
	if r.OnExpiry != "" {
		row.OnExpiry = string(r.OnExpiry)
	}
	if !r.Thresholds.IsZero() {
		row.Thresholds = thresholdsText(r.Thresholds.Or(nil))
	}
	if !r.Meta.IsZero() {
		meta, err := metaText(r.Meta.Or(""))
		if err != nil {
			return err
		}
		row.Meta = meta
	}
	if r.Period.IsZero() {
		return nil
	}
	p := r.Period.Or(latchkey.BudgetPeriod{})
	row.Every, row.TimeZone, row.Anchor = string(p.Every), p.TimeZone, int64(p.Anchor)
	_, err := period.New(period.Every(p.Every), p.TimeZone, p.Anchor)
	var wrong *period.Error
	if errors.As(err, &wrong) {
		return invalid(latchkey.Fault{
			Location: "/properties/period/properties/" + wrong.Field, Message: wrong.Message,
			Fix: wrong.Fix,
		})
	}
	return err
}

// thresholdsText returns the stored form of percentages, each once and in order.
func thresholdsText(percents []int64) string {
	var texts []string
	for _, percent := range slices.Compact(slices.Sorted(slices.Values(percents))) {
		texts = append(texts, strconv.FormatInt(percent, 10))
	}
	return strings.Join(texts, " ")
}

// parseThresholds parses the stored form of percentages.
func parseThresholds(text string) (percents []int64) {
	for one := range strings.FieldsSeq(text) {
		if percent, err := strconv.ParseInt(one, 10, 64); err == nil {
			percents = append(percents, percent)
		}
	}
	return percents
}

// optional returns the value of a column; null where it is NULL.
func optional(n sql.NullInt64) latchkey.Opt[int64] {
	if !n.Valid {
		return latchkey.Null[int64]()
	}
	return latchkey.Set(n.Int64)
}

// requireFreeBudgetName returns an error if a budget of the workspace has the name, or has it as
// its id.
func (c *Change) requireFreeBudgetName(ctx context.Context, name string) error {
	switch _, err := c.tx.Budget(ctx, c.who.WorkspaceID(), name); {
	case err == nil:
		return errBudgetExists.with("A budget with this name already exists in this workspace.")
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("budget: %w", err)
	}
	return nil
}

// budgetNotFound is the error for a budget that does not exist.
func budgetNotFound(name string) *latchkey.Error {
	return errBudgetNotFound.with("There is no budget with the id or name %q in this workspace.",
		name)
}
