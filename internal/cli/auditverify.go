package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/latchkeyhq/latchkey"
)

// verifyAudit checks the audit log against its hash chain.
type verifyAudit struct {
	Head string `placeholder:"HEAD" help:"The head that an earlier check printed; the chain must still contain it."`
}

// Help are the examples of latchkey audit verify --help.
func (verifyAudit) Help() string {
	return `Examples:

    latchkey audit verify
    latchkey audit verify --head 41:9f86d081…

It prints the head of the chain. Keep it outside of the service, and pass it to the next check:
it shows whether somebody brought back an older state of the database.`
}

// Run checks the log part by part, and fails if there is a problem.
func (c *verifyAudit) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	var records, problems, unsealed int64
	for request := (latchkey.VerifyAuditLogsRequest{Head: c.Head}); ; {
		v, err := client.AuditLogs.Verify(ctx, request)
		if err != nil {
			return err
		}
		records += v.Records
		problems += int64(len(v.Problems))
		unsealed += v.Unsealed
		if err := c.print(a, &v); err != nil {
			return err
		}
		if request.Cursor = v.Cursor; v.Cursor == "" {
			break
		}
	}
	if problems > 0 {
		return fmt.Errorf("%d problems in %d records", problems, records)
	}
	if a.JSON {
		return nil
	}
	_, err := fmt.Fprintf(a.stdout,
		"%d records are as they were written; %d newer ones are not sealed yet\n", records, unsealed)
	return err
}

// print prints a part of the result.
func (c *verifyAudit) print(a *app, v *latchkey.AuditVerification) error {
	if a.JSON {
		return json.NewEncoder(a.stdout).Encode(v)
	}
	for _, p := range v.Problems {
		at := ""
		if !p.Time.IsZero() {
			at = date(p.Time)
		}
		if _, err := fmt.Fprintln(a.stdout, p.Kind, p.RecordID, at, p.Message); err != nil {
			return err
		}
	}
	if v.Head == "" {
		return nil
	}
	_, err := fmt.Fprintln(a.stdout, "head", v.Head)
	return err
}
