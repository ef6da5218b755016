package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// explainKey explains a verification.
type explainKey struct {
	Key         string   `arg:"" name:"key-id" help:"The key's id; or - to read the whole key from standard input."`
	Permissions string   `placeholder:"QUERY" help:"What it must be allowed to do, for example 'docs.read AND docs.write'."`
	Cost        *int64   `placeholder:"N" help:"Credits that the call would cost (default: 1)."`
	Limits      []string `name:"limit" placeholder:"NAME" help:"Limit to check besides those that always apply; repeatable."`
	IP          string   `name:"ip" placeholder:"ADDRESS" help:"Address that the call would come from (default: that of this command)."`
}

// Help are the examples of latchkey keys explain --help.
func (explainKey) Help() string {
	return `Shows each check of a verification in its order with the values that are compared. It
counts no limit and spends no credits.

Examples:

    latchkey keys explain key_… --permissions documents.read
    latchkey keys explain - < the.key`
}

// Run explains the verification.
func (c *explainKey) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	request := latchkey.ExplainKeyRequest{
		KeyID: c.Key, Permissions: latchkey.PermissionQuery(c.Permissions), IP: c.IP,
		Ratelimits: limitsNamed(c.Limits),
	}
	if c.Key == "-" {
		secret, err := a.secret(c.Key)
		if err != nil {
			return err
		}
		request.KeyID, request.Key = "", secret
	}
	if c.Cost != nil {
		request.Credits = &latchkey.VerifyKeyCredits{Cost: latchkey.Set(*c.Cost)}
	}
	x, err := client.Keys.Explain(ctx, request)
	if err != nil {
		return err
	}
	if a.JSON {
		data, err := json.Marshal(x)
		if err != nil {
			return err
		}
		return a.printIndented(data)
	}
	return printExplanation(a, &x)
}

// printExplanation prints the outcome, what to do, and the checks.
func printExplanation(a *app, x *latchkey.KeyExplanation) error {
	head := []line{{string(x.Code), x.Summary}}
	if x.Next != "" {
		head = append(head, line{"Next", x.Next})
	}
	if err := printLines(a, head); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	if err := printList(a, x.Checks, "CHECK RESULT DETAIL", checkRow); err != nil {
		return err
	}
	if len(x.Grants) > 0 {
		fmt.Fprintln(a.stdout)
		if err := printList(a, x.Grants, "PERMISSION DIRECT ROLES", grantRow); err != nil {
			return err
		}
	}
	if len(x.Ratelimits) > 0 {
		fmt.Fprintln(a.stdout)
		return printList(a, x.Ratelimits, "LIMIT OF CHECKED USED RATE RESET", explainedLimitRow)
	}
	return nil
}

func checkRow(c latchkey.KeyCheck) []string {
	result := "passes"
	if !c.Passed {
		result = string(c.Code)
	}
	return []string{string(c.Check), result, c.Detail}
}

func grantRow(g latchkey.PermissionGrant) []string {
	return []string{g.Permission, yesNo(g.Direct), strings.Join(g.Roles, ", ")}
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func explainedLimitRow(l latchkey.ExplainedRatelimit) []string {
	return []string{
		l.Name, string(l.From), yesNo(l.Checked), fmt.Sprint(l.Used), perTime(l.Limit, l.Duration),
		ago(l.Reset),
	}
}
