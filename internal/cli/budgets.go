package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// budgetCommands are the commands of budgets and of what is reserved of them.
type budgetCommands struct {
	Create createBudget `cmd:"" op:"budgets.createBudget" done:"Created budget {name}. Its id:" last:"budgetId" help:"Create a budget; print its id."`
	List   struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id or name contains this text."`
	} `cmd:"" op:"budgets.listBudgets" help:"List the budgets."`
	Get    OneBudget    `cmd:"" op:"budgets.getBudget" help:"Show a budget, and what is left of it."`
	Update updateBudget `cmd:"" op:"budgets.updateBudget" done:"Updated budget {budget}." help:"Change a budget; nothing that was spent is forgotten."`
	Delete struct {
		OneBudget
		Confirmed
	} `cmd:"" op:"budgets.deleteBudget" confirm:"Open reservations of budget {budget} will be released, and its statement will be gone." done:"Deleted budget {budget}." help:"Delete a budget with its statement."`
	Grant  grantBudget `cmd:"" op:"budgets.grant" done:"Budget {budget} has a balance of {balance}, {remaining} remaining." help:"Add to the balance of a budget, or take from it."`
	Attach struct {
		OneBudget
		BudgetOwner
		AutoApply *bool `negatable:"" json:"autoApply,omitempty" help:"Spend 1 with every verification that names no cost (default: yes)."`
	} `cmd:"" op:"budgets.attach" done:"Attached budget {budget}." help:"Let verifications of a key, or of all keys of an owner, spend from a budget."`
	Detach struct {
		OneBudget
		BudgetOwner
	} `cmd:"" op:"budgets.detach" done:"Detached budget {budget}." help:"Detach a budget from a key or an owner."`
	Attachments struct {
		OneBudget
		Paging
	} `cmd:"" op:"budgets.listAttachments" help:"List the keys and owners that have a budget."`
	Spend        spendBudgets        `cmd:"" help:"Spend from budgets without a key; exit status 1 if one has too little."`
	Reserve      reserveBudgets      `cmd:"" help:"Reserve amounts of budgets without a key, print the reservation's id; exit status 1 if one has too little."`
	Statement    budgetStatement     `cmd:"" help:"Show what was spent, settled, granted and expired, in sums."`
	Reservations reservationCommands `cmd:"" help:"What is reserved of budgets, until it is known what was used."`
}

// OneBudget names a budget.
type OneBudget struct {
	Budget string `arg:"" json:"budget" complete:"budgets.listBudgets name" help:"Its name or id."`
}

// BudgetOwner is the key or the identity that has a budget.
type BudgetOwner struct {
	Key        string `name:"key" json:"keyId,omitempty" placeholder:"ID" help:"The key with this id."`
	ExternalID string `aliases:"customer" json:"externalId,omitempty" complete:"identities.listIdentities externalId" placeholder:"ID" help:"Your name for the owner, all of whose keys have the budget."`
}

// createBudget creates a budget.
type createBudget struct {
	Name string `arg:"" json:"name" help:"Name, unique in the workspace."`
	BudgetSettings
	Enabled *bool `negatable:"" json:"enabled,omitempty" help:"Whether it can be spent from the beginning (default: yes)."`
}

// Help are the examples of latchkey budgets create --help.
func (createBudget) Help() string {
	return `Examples:

    latchkey budgets create research --unit tokens --allowance 5m --period month@1
    latchkey budgets create office --allowance 1000 --period week@1 --time-zone Europe/Berlin
    latchkey budgets create acme-prepaid --unit cents --threshold 80 --threshold 100
    latchkey budgets create agents --max-open 10`
}

// updateBudget changes a budget.
type updateBudget struct {
	OneBudget
	Name *string `json:"name,omitempty" help:"New name."`
	BudgetSettings
	Enabled *bool `negatable:"" json:"enabled,omitempty" help:"Let it be spent; --no-enabled stops."`
	Clearing
}

// BudgetSettings are the flags that create and update have in common.
type BudgetSettings struct {
	Unit       string  `json:"unit,omitempty" help:"Label for its amounts, such as tokens."`
	Allowance  whole   `json:"allowance,omitzero" placeholder:"N" help:"What each period brings, such as 1000 or 5m."`
	Period     every   `json:"period,omitzero" placeholder:"PERIOD" help:"How long the allowance lasts: hour, day, week@1 (from Monday), month@1 (from the 1st)."`
	TimeZone   string  `json:"-" placeholder:"ZONE" help:"Time zone of the period, such as Europe/Berlin (default: UTC)."`
	Overshoot  string  `json:"overshoot,omitempty" placeholder:"charge|clamp" help:"What a settlement above the reserved amount does: charge all of it, below zero if need be (default), or what is left."`
	OnExpiry   string  `json:"onExpiry,omitempty" placeholder:"release|charge" help:"What becomes of a reservation that nobody settles (default: release)."`
	MaxOpen    whole   `json:"maxOpen,omitzero" placeholder:"N" help:"Most reservations that are open at once."`
	Thresholds []int64 `name:"threshold" json:"thresholds,omitempty" placeholder:"PERCENT" help:"Percentage whose crossing is recorded; repeatable."`
	Meta       object  `json:"meta,omitempty" placeholder:"JSON" help:"Metadata, a JSON object."`
}

// AfterApply puts the time zone into the period, of which it is a part in requests.
func (s *BudgetSettings) AfterApply() error {
	if s.TimeZone == "" {
		return nil
	}
	p, given := s.Period.Get()
	if !given {
		return fmt.Errorf("--time-zone needs --period, such as --period month@1")
	}
	p.TimeZone = s.TimeZone
	s.Period.Opt = latchkey.Set(p)
	return nil
}

// grantBudget changes the balance of a budget.
type grantBudget struct {
	OneBudget
	Amount whole  `arg:"" json:"amount" help:"What to add, such as 1000 or 5k; after --, such as -- team -1000, what to take."`
	Note   string `json:"note,omitempty" placeholder:"TEXT" help:"Why, for the audit log."`
}

// spendBudgets spends without a key.
type spendBudgets struct {
	Costs []cost `arg:"" name:"budget" complete:"budgets.listBudgets name" help:"What to spend: team=500, or team for 1."`
}

// Run spends.
func (c *spendBudgets) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	result, err := client.Budgets.Spend(ctx, latchkey.SpendBudgetsRequest{Budgets: costs(c.Costs)})
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(result)
	} else {
		err = printList(a, result.Budgets, budgetStateHeader, budgetStateRow)
	}
	if err == nil && !result.Success {
		return errRefused
	}
	return err
}

// reserveBudgets reserves without a key.
type reserveBudgets struct {
	Costs []cost `arg:"" name:"budget" complete:"budgets.listBudgets name" help:"What to reserve: team=500, or team for 1."`
	TTL   grace  `name:"ttl" default:"5m" placeholder:"TIME" help:"How long at most, from 1s to 24h (default: 5m)."`
}

// Run reserves.
func (c *reserveBudgets) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	result, err := client.Budgets.Reserve(ctx, latchkey.ReserveBudgetsRequest{
		Budgets: costs(c.Costs), TTL: latchkey.Per(time.Duration(c.TTL)),
	})
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(result)
	} else {
		err = printList(a, result.Budgets, budgetStateHeader, budgetStateRow)
	}
	switch {
	case err != nil:
		return err
	case !result.Success:
		return errRefused
	case a.JSON || result.Reservation == nil:
		return nil
	}
	_, err = fmt.Fprintf(a.stdout, "Reserved until %s. The reservation:\n%s\n",
		date(result.Reservation.Expires), result.Reservation.ID)
	return err
}

// budgetStatement shows the statement of a budget.
type budgetStatement struct {
	OneBudget
	Since since  `placeholder:"TIME" help:"Only since then: 24h, 30d, 2027-01-31 (default: the beginning)."`
	Until since  `placeholder:"TIME" help:"Only until then (default: now)."`
	Per   string `enum:"hour,day,month" default:"month" help:"Add up each ${enum}, in the time zone of the budget."`
	ByKey bool   `help:"Add up each key."`
	CSV   bool   `name:"csv" help:"Print CSV."`
}

// Help is the manual of latchkey budgets statement.
func (budgetStatement) Help() string {
	return `Shows all of it. The sums are exact, and kept for 400 days. With --json, each is a JSON
object on a line. What a reservation was charged is in the hour in which it was made.

Examples:

    latchkey budgets statement research --per day --since 30d
    latchkey budgets statement research --by-key --csv >research.csv`
}

// Run shows the statement, page after page.
func (c *budgetStatement) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	budget, err := client.Budgets.Get(ctx, latchkey.GetBudgetRequest{Budget: c.Budget})
	if err != nil {
		return err
	}
	print, end := c.printer(a, zoneOf(&budget))
	request := latchkey.ListBudgetEntriesRequest{
		Budget: budget.ID, From: latchkey.At(c.Since.Time), To: latchkey.At(c.Until.Time),
		Per: latchkey.BudgetPer(c.Per), ByKey: c.ByKey, Limit: 1000,
	}
	for {
		page, err := client.Budgets.ListEntries(ctx, request)
		if err != nil {
			return err
		}
		if err := print(page.Data); err != nil {
			return err
		}
		if request.Cursor = page.Pagination.Cursor; !page.Pagination.HasMore {
			return end()
		}
	}
}

// statementHeader are the columns of statements.
const statementHeader = "TIME KIND KEY COUNT AMOUNT"

// printer returns what prints the pages of the statement, and what prints the rest after them.
func (c *budgetStatement) printer(
	a *app, zone *time.Location,
) (page func([]latchkey.BudgetEntry) error, end func() error) {
	row := func(e latchkey.BudgetEntry) []string {
		return []string{
			e.Time.In(zone).Format(time.RFC3339), string(e.Kind), e.KeyID,
			strconv.FormatInt(e.Count, 10), strconv.FormatInt(e.Amount, 10),
		}
	}
	if !c.CSV || a.JSON {
		l := &listing{app: a, table: tableOf(statementHeader, row), stream: true}
		return func(entries []latchkey.BudgetEntry) error {
			data, err := json.Marshal(entries)
			if err != nil {
				return err
			}
			_, err = l.page(data)
			return err
		}, l.end
	}
	w := csv.NewWriter(a.stdout)
	err := w.Write(strings.Split(statementHeader, " "))
	return func(entries []latchkey.BudgetEntry) error {
		for _, e := range entries {
			if err == nil {
				err = w.Write(row(e))
			}
		}
		w.Flush()
		return err
	}, w.Error
}

// zoneOf returns the time zone of a budget; UTC if this machine doesn't know it.
func zoneOf(b *latchkey.Budget) *time.Location {
	zone, err := time.LoadLocation(b.Period.Or(latchkey.BudgetPeriod{}).TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// reservationCommands are the commands of reservations.
type reservationCommands struct {
	List struct {
		Paging
		Budget string `json:"budget,omitempty" complete:"budgets.listBudgets name" placeholder:"BUDGET" help:"Only those of the budget with this name or id."`
		Key    string `name:"key" json:"keyId,omitempty" placeholder:"ID" help:"Only those of the key with this id."`
		State  string `json:"state,omitempty" placeholder:"open|settled|released|expired" help:"Only those in this state."`
	} `cmd:"" op:"budgets.listReservations" help:"List the reservations, oldest first; ended ones are kept for a week."`
	Get    OneReservation `cmd:"" op:"budgets.getReservation" help:"Show a reservation."`
	Settle struct {
		OneReservation
		Cost    whole  `json:"cost,omitzero" placeholder:"N" help:"What was used of each budget (default: what was reserved)."`
		Costs   []cost `name:"budget" json:"budgets,omitempty" placeholder:"BUDGET=N" help:"What was used of one budget; repeatable."`
		Credits whole  `json:"credits,omitzero" placeholder:"N" help:"What was used of the key's credits."`
	} `cmd:"" op:"budgets.settle" help:"Charge what was used, and free the rest."`
	Release OneReservation `cmd:"" op:"budgets.release" done:"Released reservation {reservationId}. Nothing was charged." help:"End a reservation of which nothing was used."`
	Extend  struct {
		OneReservation
		TTL grace `arg:"" name:"ttl" json:"ttl" help:"How long it lasts from now, such as 5m; 1s to 24h."`
	} `cmd:"" op:"budgets.extend" help:"Give an open reservation another end."`
}

// OneReservation names a reservation.
type OneReservation struct {
	ID string `arg:"" name:"reservation-id" json:"reservationId" help:"The reservation's id."`
}

// budgetHeader are the columns of lists of budgets.
const budgetHeader = "ID NAME REMAINING RESERVED UNIT ALLOWANCE PERIOD RESET ENABLED"

func budgetRow(b latchkey.Budget) []string {
	allowance, length := "", ""
	if n, set := b.Allowance.Get(); set {
		allowance = strconv.FormatInt(n, 10)
	}
	if p, set := b.Period.Get(); set {
		length = string(p.Every)
		if p.Anchor != 0 {
			length += "@" + strconv.Itoa(p.Anchor)
		}
	}
	return []string{
		b.ID, b.Name, strconv.FormatInt(b.Remaining, 10), strconv.FormatInt(b.Reserved, 10), b.Unit,
		allowance, length, ago(b.Reset), yes(b.Enabled),
	}
}

// budgetStateHeader are the columns of budgets after a call.
const budgetStateHeader = "BUDGET REMAINING RESERVED UNIT RESET EXCEEDED"

func budgetStateRow(s latchkey.BudgetState) []string {
	return []string{
		s.Name, strconv.FormatInt(s.Remaining, 10), strconv.FormatInt(s.Reserved, 10), s.Unit,
		ago(s.Reset), yes(s.Exceeded),
	}
}

func attachmentRow(t latchkey.BudgetAttachment) []string {
	return []string{t.KeyID, t.ExternalID, yes(t.AutoApply)}
}

// reservationHeader are the columns of lists of reservations.
const reservationHeader = "ID STATE RESERVED CHARGED KEY CREATED EXPIRES"

func reservationRow(r latchkey.Reservation) []string {
	var reserved, charged []string
	for _, part := range r.Budgets {
		reserved = append(reserved, fmt.Sprintf("%s=%d", part.Name, part.Reserved))
		if n, ended := part.Charged.Get(); ended {
			charged = append(charged, fmt.Sprintf("%s=%d", part.Name, n))
		}
	}
	return []string{
		r.ID, string(r.State), strings.Join(reserved, ", "), strings.Join(charged, ", "), r.KeyID,
		ago(r.CreatedAt), ago(r.Expires),
	}
}
