package cli

import (
	"context"
	"fmt"

	"github.com/latchkeyhq/latchkey"
)

// namespaceCommands are the commands of rate-limit namespaces.
type namespaceCommands struct {
	List struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id or name contains this text."`
	} `cmd:"" op:"ratelimit.listNamespaces" help:"List the rate-limit namespaces."`
	Update updateNamespace `cmd:"" op:"ratelimit.updateNamespace" done:"Updated namespace {name}." help:"Change settings of a rate-limit namespace."`
	Delete struct {
		Namespace string `arg:"" json:"namespace" complete:"ratelimit.listNamespaces name" help:"Its name or id."`
		Confirmed
	} `cmd:"" op:"ratelimit.deleteNamespace" confirm:"Limits in namespace {namespace} will return 410." done:"Deleted namespace {namespace}. Limits in it now return 410." help:"Delete a rate-limit namespace."`
}

// updateNamespace changes the settings of a rate-limit namespace.
type updateNamespace struct {
	Namespace    string `arg:"" json:"namespace" complete:"ratelimit.listNamespaces name" help:"Its name or id."`
	WhenDegraded string `json:"whenDegraded,omitempty" placeholder:"share|refuse" help:"What limits do while the shared counters are unavailable: with share each node decides alone with its share of the limit, with refuse it denies."`
	Algorithm    string `json:"algorithm,omitempty" placeholder:"sliding_window|token_bucket" help:"Default algorithm of the namespace."`
}

// Help are the examples of latchkey namespaces update --help.
func (updateNamespace) Help() string {
	return `Examples:

    latchkey namespaces update sign-in --when-degraded refuse
    latchkey namespaces update sign-in --algorithm token_bucket`
}

func namespaceRow(n latchkey.Namespace) []string {
	return []string{n.ID, n.Name, string(n.WhenDegraded), string(n.Algorithm), ago(n.CreatedAt)}
}

// overrideCommands are the commands of overrides.
type overrideCommands struct {
	Set  setOverride `cmd:"" help:"Create or replace an override."`
	List struct {
		Namespace string `arg:"" json:"namespace" complete:"ratelimit.listNamespaces name" help:"Name or id of the namespace."`
		Paging
	} `cmd:"" op:"ratelimit.listOverrides" help:"List the overrides of a namespace."`
	Get struct {
		Namespace  string `arg:"" json:"namespace" complete:"ratelimit.listNamespaces name" help:"Name or id of the namespace."`
		Identifier string `arg:"" json:"identifier" help:"An identifier, or the text of a pattern."`
	} `cmd:"" op:"ratelimit.getOverride" help:"Show the override that applies to an identifier."`
	Explain struct {
		Namespace  string `arg:"" json:"namespace" complete:"ratelimit.listNamespaces name" help:"Name or id of the namespace."`
		Identifier string `arg:"" json:"identifier" help:"What is limited: a user, an address."`
	} `cmd:"" op:"ratelimit.explainOverride" help:"Show the overrides that match an identifier, which one applies, and how much is used."`
	Delete struct {
		Namespace  string `arg:"" json:"namespace" complete:"ratelimit.listNamespaces name" help:"Name or id of the namespace."`
		Identifier string `arg:"" json:"identifier" help:"Identifier or pattern, exactly as it was set."`
	} `cmd:"" op:"ratelimit.deleteOverride" done:"Deleted the override of {identifier} in namespace {namespace}." help:"Delete an override."`
}

// setOverride sets an override.
type setOverride struct {
	Namespace  string `arg:"" complete:"ratelimit.listNamespaces name" help:"Name or id of the namespace."`
	Identifier string `arg:"" help:"Identifier, or a pattern in which * matches any characters."`
	Rate       rate   `arg:"" help:"The limit, such as 10/s, 100/min or 5000/30d; 0/s denies everything."`
	Algorithm  string `placeholder:"sliding_window|token_bucket" help:"How it counts (default: as the namespace does)."`
}

// Run sets the override.
func (c *setOverride) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	made, err := client.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
		Namespace: c.Namespace, Identifier: c.Identifier, Limit: latchkey.Set(c.Rate.limit),
		Duration: c.Rate.duration, Algorithm: latchkey.Algorithm(c.Algorithm),
	})
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(made)
	}
	return a.done("%s in namespace %s has the limit %s.", c.Identifier, c.Namespace,
		perTime(c.Rate.limit, c.Rate.duration))
}

func overrideRow(o latchkey.Override) []string {
	return []string{
		o.Identifier, perTime(o.Limit, o.Duration), string(o.Algorithm), o.OverrideID,
	}
}

// limitCommands are the commands of rate limits that belong to no key.
type limitCommands struct {
	Check checkLimit `cmd:"" help:"Count a call on a limit and say whether it passes; exit status 1 if not."`
}

// checkLimit counts on a limit.
type checkLimit struct {
	Namespace  string `arg:"" complete:"ratelimit.listNamespaces name" help:"Namespace; it is created if there is none."`
	Identifier string `arg:"" help:"What is limited: a user, an address."`
	Rate       rate   `arg:"" help:"The limit, such as 10/s, 100/min or 5000/30d."`
	Cost       int64  `default:"1" placeholder:"N" help:"How much the call uses (default: 1); 0 only looks."`
}

// Run counts.
func (c *checkLimit) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	result, err := client.Ratelimits.Limit(ctx, latchkey.LimitRequest{
		Namespace: c.Namespace, Identifier: c.Identifier, Limit: c.Rate.limit,
		Duration: c.Rate.duration, Cost: latchkey.Set(c.Cost),
	})
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(result)
	} else {
		verdict := "passes"
		if !result.Success {
			verdict = "is refused"
		}
		_, err = fmt.Fprintf(a.stdout, "The call %s. %d of %s left, reset %s.\n", verdict,
			result.Remaining, perTime(result.Limit, c.Rate.duration), ago(result.Reset))
	}
	if err == nil && !result.Success {
		return errRefused
	}
	return err
}
