package cli

import (
	"context"
	"errors"

	"github.com/latchkeyhq/latchkey"
)

// updateKeys changes many keys.
type updateKeys struct {
	KeyFilters
	SetEnabled *bool   `negatable:"" json:"-" help:"Enable the keys, or with --no-set-enabled disable them."`
	SetExpires instant `json:"-" placeholder:"TIME" help:"When the keys expire: 90d, 12h, 2027-01-31, never."`
	SetOwner   *string `json:"-" placeholder:"ID" help:"Your name for the owner of the keys, who is created if there is none; an empty text for no owner."`
	DryRun     bool    `json:"-" help:"Only count the keys that would be changed."`
	Confirmed
}

// Help is the manual of latchkey keys update-many.
func (updateKeys) Help() string {
	return `Changes the keys that latchkey keys list shows for the same filters, of which at least one
is needed. Run it again if it ends with an error: keys that are changed already stay as they are.

Examples:

    latchkey keys update-many --external-id user_1 --no-set-enabled
    latchkey keys update-many --api payments --last-used-before=-90d --set-expires 30d --dry-run`
}

// Run changes the keys; on a terminal, it asks first.
func (c *updateKeys) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	request, err := c.request(ctx, client)
	if err != nil {
		return err
	}
	if c.DryRun || !c.Yes && a.terminal() {
		request.DryRun = true
		found, err := client.Keys.UpdateAll(ctx, request)
		if err != nil {
			return err
		}
		if c.DryRun {
			return c.report(a, found.Updated, "would be changed")
		}
		if err := a.ask(plural(found.Updated, "key") + " will be changed."); err != nil {
			return err
		}
		request.DryRun = false
	}
	done, err := client.Keys.UpdateAll(ctx, request)
	if err != nil {
		return err
	}
	return c.report(a, done.Updated, "changed")
}

// report prints how many keys there were.
func (c *updateKeys) report(a *app, n int, what string) error {
	if a.JSON {
		return a.printJSON(struct {
			Updated int  `json:"updated"`
			DryRun  bool `json:"dryRun"`
		}{n, c.DryRun})
	}
	return a.done("%s %s.", plural(n, "key"), what)
}

func (c *updateKeys) request(
	ctx context.Context, client *latchkey.Client,
) (r latchkey.UpdateKeysRequest, err error) {
	if c.API != "" {
		if err := c.API.resolve(ctx, client); err != nil {
			return r, err
		}
	}
	r.Filter = c.filter()
	switch {
	case *r.Filter == latchkey.KeyFilter{}:
		return r, errors.New("which keys? Give at least one filter, such as --api or --external-id")
	case c.SetEnabled == nil && c.SetExpires.IsZero() && c.SetOwner == nil:
		return r, errors.New("what is to change? Give --set-enabled, --no-set-enabled, " +
			"--set-expires or --set-owner")
	}
	if c.SetEnabled != nil {
		r.Enabled = latchkey.Set(*c.SetEnabled)
	}
	r.Expires = c.SetExpires.Opt
	if c.SetOwner != nil {
		r.ExternalID = latchkey.Null[string]()
		if *c.SetOwner != "" {
			r.ExternalID = latchkey.Set(*c.SetOwner)
		}
	}
	return r, nil
}

// filter returns the filters as the API has them.
func (c *KeyFilters) filter() *latchkey.KeyFilter {
	f := &latchkey.KeyFilter{
		APIID: string(c.API), ExternalID: c.ExternalID, Start: c.Start, Name: c.Name,
		ExpiresAfter: c.ExpiresAfter.Time, ExpiresBefore: c.ExpiresBefore.Time,
		LastUsedAfter: c.LastUsedAfter.Time, LastUsedBefore: c.LastUsedBefore.Time,
		Role: c.Role, Permission: c.Permission,
	}
	if c.Enabled != nil {
		f.Enabled = latchkey.Set(*c.Enabled)
	}
	return f
}
