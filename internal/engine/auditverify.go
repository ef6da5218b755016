package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// The bounds of one response: blocks, which have at most 250 records each, and problems.
const (
	maxVerifiedBlocks = 20
	maxAuditProblems  = 100
)

// VerifyAuditLogs checks the audit log of the workspace against its hash chain, and says
// which records were edited, removed, added or moved after they were sealed. A job seals new
// records within seconds; until then nothing protects them, and unsealed says how many
// these are. Records that were deleted because of their age are no problem: a signed
// head says up to where.
//
// A response checks at most 5,000 records. Continue with its cursor until there is none.
// Keep the head of the last response outside of the service, and send it with the next check:
// it shows whether somebody brought back an older state of the database, which
// the database alone can't show.
//
// The root key needs audit_log.*.read_audit_log. A cursor or a head that did not come from this
// operation returns 400.
func (e *Engine) VerifyAuditLogs(
	ctx context.Context, who Caller, r *latchkey.VerifyAuditLogsRequest,
) (latchkey.AuditVerification, error) {
	from, err := chainCursor(r.Cursor)
	if err != nil {
		return latchkey.AuditVerification{}, err
	}
	expected, err := parseChainHead(r.Head)
	if err != nil {
		return latchkey.AuditVerification{}, err
	}
	v := &verifier{e: e, workspace: who.WorkspaceID(), expected: expected}
	v.result.Problems = []latchkey.AuditProblem{}
	err = v.run(ctx, from)
	return v.result, err
}

// chainHead is a place in a chain: a block and its code.
type chainHead struct {
	number int64
	code   []byte
}

func (h chainHead) String() string { return number(h.number) + ":" + hex.EncodeToString(h.code) }

func parseChainHead(text string) (h chainHead, err error) {
	if text == "" {
		return h, nil
	}
	n, code, _ := strings.Cut(text, ":")
	if h.number, err = strconv.ParseInt(n, 10, 64); err == nil {
		h.code, err = hex.DecodeString(code)
	}
	if err != nil || h.number <= 0 || len(h.code) == 0 {
		return h, invalid(latchkey.Fault{
			Location: "/properties/head",
			Message:  "head must be the head of a response of this operation",
			Fix:      "Leave it out to check without one.",
		})
	}
	return h, nil
}

// chainCursor parses a cursor: the number of a block.
func chainCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, invalid(latchkey.Fault{
			Location: "/properties/cursor",
			Message:  "cursor must be the cursor of a response of this operation",
			Fix:      "Leave it out to start with the oldest record.",
		})
	}
	return n, nil
}

// verifier makes one response.
type verifier struct {
	e         *Engine
	workspace string
	expected  chainHead
	service   read.AuditHead // of all chains
	end       read.AuditHead // of the chain of the workspace
	result    latchkey.AuditVerification
}

// problem adds a problem. Seq is the place of the record, 0 for none.
func (v *verifier) problem(
	kind latchkey.AuditProblemKind, seq int64, id, text string, args ...any,
) {
	if len(v.result.Problems) == maxAuditProblems {
		return
	}
	p := latchkey.AuditProblem{Kind: kind, RecordID: id, Message: fmt.Sprintf(text, args...)}
	if seq != 0 {
		p.Time = latchkey.AtMilli(seq / 1000)
	}
	v.result.Problems = append(v.result.Problems, p)
}

// run checks the blocks from a number on, 0 for the first.
//
// Its reads are no snapshot, and the log goes on. The head of all chains is read first, then
// that of the workspace, then blocks, then records: so what was sealed meanwhile is beyond
// the heads. What was deleted because of its age meanwhile is missing: see [verifier.missing].
func (v *verifier) run(ctx context.Context, from int64) (err error) {
	if v.service, err = v.head(ctx, serviceHead); err != nil {
		return err
	}
	if v.end, err = v.head(ctx, v.workspace); err != nil {
		return err
	}
	if v.service.DroppedSeq != 0 {
		v.result.DroppedBefore = latchkey.AtMilli(v.service.DroppedSeq / 1000)
	}
	return v.blocks(ctx, from)
}

// missing adds the problem that what was up to a place is missing, unless it was deleted
// because of its age.
func (v *verifier) missing(ctx context.Context, seq int64, id, text string, args ...any) error {
	if seq <= v.service.DroppedSeq {
		return nil
	}
	now, err := v.e.auditHead(ctx, v.e.db.AuditHead, serviceHead)
	if err != nil && !errors.Is(err, errChain) {
		return err
	}
	if err != nil || seq > now.DroppedSeq {
		v.problem(latchkey.AuditRecordRemoved, seq, id, text, args...)
	}
	return nil
}

// head reads a head. A changed one is a problem, and counts as it is.
func (v *verifier) head(ctx context.Context, workspace string) (read.AuditHead, error) {
	head, err := v.e.auditHead(ctx, v.e.db.AuditHead, workspace)
	if errors.Is(err, errChain) {
		v.problem(latchkey.AuditChainChanged, 0, "", "The head of the chain was changed.")
		err = nil
	}
	return head, err
}

// blocks checks blocks, and the end of the chain if it comes to it.
func (v *verifier) blocks(ctx context.Context, from int64) error {
	all, err := v.e.db.AuditBlocks(ctx, v.workspace, max(from-1, 0), maxVerifiedBlocks+2)
	if err != nil {
		return fmt.Errorf("audit blocks: %w", err)
	}
	var before *read.AuditBlock
	switch {
	case len(all) == 0:
	case from == 0:
		if err := v.strays(ctx, 0, all[0].AfterSeq); err != nil {
			return err
		}
	case all[0].Number < from:
		before, all = &all[0], all[1:]
	}
	for i := range all {
		b := &all[i]
		switch {
		case b.Number > v.end.Number:
			if b.LastSeq <= v.service.LastSeq {
				v.problem(latchkey.AuditChainChanged, b.LastSeq, "", "The head doesn't name block %d.",
					b.Number)
			}
			return v.finish(ctx, before)
		case i == maxVerifiedBlocks || len(v.result.Problems) == maxAuditProblems:
			v.result.Cursor = number(b.Number)
			return nil
		}
		if err := v.block(ctx, before, b); err != nil {
			return err
		}
		before = b
	}
	return v.finish(ctx, before)
}

// block checks a block and its records. Before is the one before it that is there.
func (v *verifier) block(ctx context.Context, before, b *read.AuditBlock) error {
	signer, err := v.e.signer(ctx, b.DataKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	sealed, broken := sealedRecords(b.Records)
	if signer == nil || broken != nil || !bytes.Equal(blockCode(signer, b), b.Code) {
		v.problem(latchkey.AuditChainChanged, b.LastSeq, "", "Block %d was changed.", b.Number)
		return nil
	}
	if v.expected.number == b.Number && !bytes.Equal(v.expected.code, b.Code) {
		v.problem(latchkey.AuditChainChanged, b.LastSeq, "",
			"Block %d is not that of the head that you kept.", b.Number)
	}
	if err := v.joint(ctx, before, b); err != nil {
		return err
	}
	rows, err := v.e.db.AuditLogsBetween(ctx, read.AuditLogsBetweenParams{
		WorkspaceID: v.workspace, After: b.AfterSeq, Last: b.LastSeq,
		Most: int64(len(sealed) + maxAuditProblems),
	})
	if err != nil {
		return fmt.Errorf("audit logs: %w", err)
	}
	for _, s := range sealed {
		for len(rows) > 0 && rows[0].Seq < s.seq {
			v.added(&rows[0])
			rows = rows[1:]
		}
		v.result.Records++
		switch {
		case len(rows) == 0 || rows[0].Seq != s.seq:
			if err := v.missing(ctx, s.seq, s.id, "The record was removed."); err != nil {
				return err
			}
			continue
		case !bytes.Equal(recordCode(signer, &rows[0]), s.code):
			v.problem(latchkey.AuditRecordEdited, s.seq, s.id, "The record was edited or moved.")
		}
		rows = rows[1:]
	}
	for i := range rows {
		v.added(&rows[i])
	}
	return nil
}

func (v *verifier) added(row *read.AuditLog) {
	v.problem(latchkey.AuditRecordAdded, row.Seq, row.ID, "The record was added or moved.")
}

// joint checks that nothing is missing between two blocks, or before the first one.
func (v *verifier) joint(ctx context.Context, before, b *read.AuditBlock) error {
	if before == nil {
		return v.missing(ctx, b.AfterSeq, "", "Records before block %d were removed.", b.Number)
	}
	if b.Number != before.Number+1 || b.AfterSeq != before.LastSeq ||
		!bytes.Equal(b.Previous, before.Code) {
		v.problem(latchkey.AuditRecordRemoved, before.LastSeq, "",
			"All records between blocks %d and %d were removed.", before.Number, b.Number)
	}
	return nil
}

// strays adds the records of a range in which there is none.
func (v *verifier) strays(ctx context.Context, after, last int64) error {
	rows, err := v.e.db.AuditLogsBetween(ctx, read.AuditLogsBetweenParams{
		WorkspaceID: v.workspace, After: after, Last: last, Most: maxAuditProblems,
	})
	if err != nil {
		return fmt.Errorf("audit logs: %w", err)
	}
	for i := range rows {
		v.added(&rows[i])
	}
	return nil
}

// finish checks the end of the chain. Last is its last block, nil if there is none.
func (v *verifier) finish(ctx context.Context, last *read.AuditBlock) error {
	end := &v.end
	whole := last != nil && last.Number == end.Number && last.LastSeq == end.LastSeq &&
		bytes.Equal(last.Code, end.Block)
	if !whole {
		err := v.missing(ctx, end.LastSeq, "", "The last records of the chain were removed.")
		if err != nil {
			return err
		}
	}
	if v.expected.number > end.Number {
		v.problem(latchkey.AuditRecordRemoved, end.LastSeq, "",
			"The chain ends at block %d, and that of the head that you kept is %d.",
			end.Number, v.expected.number)
	}
	if end.Number > 0 {
		v.result.Head = chainHead{end.Number, end.Block}.String()
	}
	if err := v.heads(ctx); err != nil {
		return err
	}
	if err := v.strays(ctx, end.LastSeq, v.service.LastSeq); err != nil {
		return err
	}
	rows, err := v.e.db.AuditLogsBetween(ctx, read.AuditLogsBetweenParams{
		WorkspaceID: v.workspace, After: max(end.LastSeq, v.service.LastSeq), Last: 1<<63 - 1,
		Most: 1000,
	})
	v.result.Unsealed = int64(len(rows))
	return err
}

// heads checks that no head of a chain was removed or brought back as it was before. Which one
// it is can't be told, so the check of each workspace says so.
func (v *verifier) heads(ctx context.Context) error {
	_, _, err := v.e.auditHeads(ctx)
	if errors.Is(err, errChain) {
		v.problem(latchkey.AuditChainChanged, 0, "",
			"The head of a chain of this or of another workspace was changed, removed or replaced.")
		err = nil
	}
	return err
}
