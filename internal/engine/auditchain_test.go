package engine

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// withoutJobs stops the background jobs, which would seal at any moment.
func (w *world) withoutJobs() {
	w.stop()
	w.done.Wait()
}

// seal puts all records into the chain.
func (w *world) seal() {
	w.t.Helper()
	if err := w.sealAudit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// verified checks the whole audit log of a caller's workspace. Head is one that was kept.
func (w *world) verified(who Caller, head string) (whole latchkey.AuditVerification) {
	w.t.Helper()
	for request := (latchkey.VerifyAuditLogsRequest{Head: head}); ; {
		v := must[latchkey.AuditVerification](w, who, "auditLogs.verifyAuditLogs", request)
		v.Records += whole.Records
		v.Problems = append(whole.Problems, v.Problems...)
		whole = v
		if request.Cursor = v.Cursor; v.Cursor == "" {
			return whole
		}
	}
}

// wantWhole checks that the audit log of a workspace has no problem.
func (w *world) wantWhole(who Caller, head string) latchkey.AuditVerification {
	w.t.Helper()
	v := w.verified(who, head)
	if len(v.Problems) > 0 {
		w.t.Fatalf("an untouched log has problems: %+v", v.Problems)
	}
	return v
}

// record adds records to the log of a workspace.
func (w *world) record(workspace string, n int) {
	w.t.Helper()
	err := w.db.Update(w.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		records := make([]write.InsertAuditLogParams, n)
		for i := range records {
			now := w.now().UnixMilli()
			records[i] = write.InsertAuditLogParams{
				Seq: tx.NextAudit(now), ID: NewID("log"), Time: now, WorkspaceID: workspace,
				Event: "key.create", ActorID: "rk_1", Description: fmt.Sprint("number ", i),
				Targets: `[{"type":"key","id":"key_1"}]`,
			}
		}
		return tx.InsertAuditLogs(ctx, records)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestEveryTamperingOfTheAuditLogIsFound edits, removes, adds and moves random records, and
// everything of the chain, a thousand times, and finds each one.
func TestEveryTamperingOfTheAuditLogIsFound(t *testing.T) {
	w := newWorld(t)
	w.withoutJobs()
	other := w.otherWorkspace()
	mine := w.who.WorkspaceID()
	tampering := w.tampering()
	for i := range 8 {
		w.record(mine, 1+i*5)
		w.advance(time.Second)
		w.record(other.WorkspaceID(), 1+i*3)
		w.seal()
		if i == 4 {
			tampering.exec("CREATE TABLE early_heads AS SELECT * FROM audit_heads")
		}
	}
	w.wantWhole(w.who, "")
	w.wantWhole(other, "")
	rounds := 1000
	if w.db.Shared() {
		rounds = 100
	}
	tampering.workspace, tampering.other = mine, other.WorkspaceID()
	tampering.rand = rand.New(rand.NewPCG(1, 2))
	tampering.copy()
	for round := range rounds {
		what, seq := tampering.once(round)
		v := w.verified(w.who, "")
		named := slices.ContainsFunc(v.Problems, func(p latchkey.AuditProblem) bool {
			return seq == 0 || p.Time.UnixMilli() == seq/1000 && p.RecordID != ""
		})
		if !named {
			t.Fatalf("round %d: %s was not found: %+v", round, what, v.Problems)
		}
		tampering.restore()
	}
	w.wantWhole(w.who, "")
	w.wantWhole(other, "")
}

// tampering changes the tables of the audit log and puts them back.
type tampering struct {
	t                testing.TB
	db               *sql.DB
	rand             *rand.Rand
	workspace, other string
}

// tampering opens the database without the store. On SQLite its writes don't wait for the disk.
func (w *world) tampering() *tampering {
	w.t.Helper()
	x := &tampering{t: w.t, db: w.raw()}
	w.t.Cleanup(func() {
		if err := x.db.Close(); err != nil {
			w.t.Error(err)
		}
	})
	if !w.db.Shared() {
		x.db.SetMaxOpenConns(1)
		x.exec("PRAGMA synchronous = OFF")
	}
	return x
}

var chainTables = []string{"audit_logs", "audit_blocks", "audit_heads"}

func (x *tampering) exec(text string, args ...any) {
	x.t.Helper()
	if _, err := x.db.ExecContext(x.t.Context(), text, args...); err != nil {
		x.t.Fatalf("%s: %v", text, err)
	}
}

func (x *tampering) copy() {
	for _, table := range chainTables {
		x.exec(fmt.Sprintf("CREATE TABLE kept_%s AS SELECT * FROM %s", table, table))
	}
}

func (x *tampering) restore() {
	for _, table := range chainTables {
		x.exec("DELETE FROM " + table)
		x.exec(fmt.Sprintf("INSERT INTO %s SELECT * FROM kept_%s", table, table))
	}
}

// seqs returns the places of two records of the workspace, in order.
func (x *tampering) seqs() (first, second int64) {
	x.t.Helper()
	var all []int64
	rows, err := x.db.QueryContext(x.t.Context(),
		"SELECT seq FROM audit_logs WHERE workspace_id = $1 ORDER BY seq", x.workspace)
	if err != nil {
		x.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			x.t.Fatal(err)
		}
		all = append(all, seq)
	}
	if err := rows.Err(); err != nil {
		x.t.Fatal(err)
	}
	i := x.rand.IntN(len(all) - 1)
	return all[i], all[i+1+x.rand.IntN(len(all)-i-1)]
}

// block returns the number of a block of the workspace.
func (x *tampering) block() (number int64) {
	x.t.Helper()
	err := x.db.QueryRowContext(x.t.Context(), "SELECT number FROM audit_blocks "+
		"WHERE workspace_id = $1 ORDER BY number LIMIT 1 OFFSET $2",
		x.workspace, x.rand.IntN(8)).Scan(&number)
	if err != nil {
		x.t.Fatal(err)
	}
	return number
}

// once changes something, and says what, and of which record if it is one.
func (x *tampering) once(round int) (what string, seq int64) {
	first, second := x.seqs()
	texts := []string{"id", "event", "description", "actor_type", "actor_id", "actor_name",
		"targets", "remote_ip", "user_agent", "correlation_id", "changes"}
	of := func(table string) string { return "DELETE FROM " + table + " WHERE workspace_id = $1" }
	switch round % 16 {
	case 0, 1:
		column := texts[x.rand.IntN(len(texts))]
		value := "x"
		if column == "targets" || column == "changes" {
			value = "[]"
		}
		x.exec("UPDATE audit_logs SET "+column+" = $1 WHERE seq = $2", value, first)
		return "an edited " + column, first
	case 2:
		x.exec("UPDATE audit_logs SET time = time + 1 WHERE seq = $1", first)
		return "an edited time", first
	case 3:
		x.exec("DELETE FROM audit_logs WHERE seq = $1", second)
		return "a removed record", second
	case 4:
		x.exec("UPDATE audit_logs SET seq = -1 WHERE seq = $1", first)
		x.exec("UPDATE audit_logs SET seq = $1 WHERE seq = $2", first, second)
		x.exec("UPDATE audit_logs SET seq = $1 WHERE seq = -1", second)
		return "two records in another order", first
	case 5:
		x.exec("UPDATE audit_logs SET workspace_id = $1 WHERE seq = $2", x.other, first)
		return "a record moved to another workspace", first
	case 6:
		x.exec("INSERT INTO audit_logs SELECT seq + 1, id, workspace_id, time, event, description, "+
			"actor_type, actor_id, actor_name, targets, remote_ip, user_agent, correlation_id, changes "+
			"FROM audit_logs WHERE seq = $1 AND NOT EXISTS "+
			"(SELECT 1 FROM audit_logs WHERE seq = $1 + 1)", x.last())
		return "an added record", 0
	case 7:
		x.exec("DELETE FROM audit_logs WHERE workspace_id = $1 AND seq >= $2", x.workspace, first)
		return "a truncated log", 0
	case 8:
		number := x.block()
		x.exec("DELETE FROM audit_logs WHERE workspace_id = $1 AND seq > (SELECT after_seq FROM "+
			"audit_blocks WHERE workspace_id = $1 AND number = $2)", x.workspace, number)
		x.exec(of("audit_blocks")+" AND number >= $2", x.workspace, number)
		return "a truncated log and chain", 0
	case 9:
		x.exec(of("audit_logs"), x.workspace)
		x.exec(of("audit_blocks"), x.workspace)
		x.exec(of("audit_heads"), x.workspace)
		return "a removed log with its chain", 0
	case 10:
		number := x.block()
		x.exec("DELETE FROM audit_logs WHERE workspace_id = $1 AND seq <= (SELECT last_seq FROM "+
			"audit_blocks WHERE workspace_id = $1 AND number = $2)", x.workspace, number)
		x.exec(of("audit_blocks")+" AND number <= $2", x.workspace, number)
		return "a log without its beginning", 0
	case 11:
		column := []string{"after_seq", "last_seq"}[x.rand.IntN(2)]
		x.exec("UPDATE audit_blocks SET "+column+" = "+column+" + 1 "+
			"WHERE workspace_id = $1 AND number = $2", x.workspace, x.block())
		return "a changed block", 0
	case 12:
		column := []string{"records", "previous", "code"}[x.rand.IntN(3)]
		x.exec("UPDATE audit_blocks SET "+column+" = $3 WHERE workspace_id = $1 AND number = $2",
			x.workspace, x.block(), []byte{blockVersion})
		return "a changed " + column + " of a block", 0
	case 13:
		x.exec("UPDATE audit_blocks SET workspace_id = 'junk' WHERE workspace_id = $1", x.workspace)
		x.exec(of("audit_logs"), x.workspace)
		x.exec(of("audit_heads"), x.workspace)
		return "a removed log with its chain in another workspace", 0
	case 14:
		x.exec("UPDATE audit_blocks SET workspace_id = 'junk' WHERE workspace_id = $1 AND "+
			"last_seq > (SELECT last_seq FROM early_heads WHERE workspace_id = $1)", x.workspace)
		x.exec(of("audit_logs")+" AND seq > (SELECT last_seq FROM early_heads "+
			"WHERE workspace_id = $1)", x.workspace)
		x.exec(of("audit_heads"), x.workspace)
		x.exec("INSERT INTO audit_heads SELECT * FROM early_heads WHERE workspace_id = $1",
			x.workspace)
		return "a truncated log with an earlier head", 0
	}
	workspace := []string{x.workspace, serviceHead}[x.rand.IntN(2)]
	column := []string{"number", "last_seq", "dropped_seq"}[x.rand.IntN(3)]
	x.exec("UPDATE audit_heads SET "+column+" = "+column+" + 1000000000 WHERE workspace_id = $1",
		workspace)
	return "a changed " + column + " of a head", 0
}

// last is the place of a record of the workspace behind which there is room, before the end
// of all chains.
func (x *tampering) last() (seq int64) {
	x.t.Helper()
	err := x.db.QueryRowContext(x.t.Context(),
		"SELECT MAX(seq) FROM audit_logs WHERE workspace_id = $1 AND "+
			"NOT EXISTS (SELECT 1 FROM audit_logs l WHERE l.seq = audit_logs.seq + 1)",
		x.workspace).Scan(&seq)
	if err != nil {
		x.t.Fatal(err)
	}
	return seq
}

// A head that was kept shows that somebody brought back an older state of the database, and
// a node that saw the newer one says so.
func TestAKeptHeadShowsAnOlderDatabase(t *testing.T) {
	w := newWorld(t)
	w.withoutJobs()
	w.seal()
	x := w.tampering()
	x.copy()
	w.advance(time.Hour)
	w.record(w.who.WorkspaceID(), 10)
	w.seal()
	head := w.wantWhole(w.who, "").Head
	w.wantWhole(w.who, head)
	x.restore()
	w.wantWhole(w.who, "")
	if v := w.verified(w.who, head); len(v.Problems) != 1 ||
		v.Problems[0].Kind != latchkey.AuditRecordRemoved {
		t.Errorf("%+v, want one removed end", v.Problems)
	}
	if w.chain.breaks.Load() != 0 {
		t.Fatal("the node found a break before there was one")
	}
	w.seal()
	if w.chain.breaks.Load() != 1 {
		t.Error("the node doesn't notice that the chain ends earlier than it did")
	}
	w.record(w.who.WorkspaceID(), 10)
	w.seal()
	if v := w.verified(w.who, head); len(v.Problems) == 0 {
		t.Error("another block in the place of that of the kept head is not found")
	}
}

// What the retention deletes is explained, and what is deleted beyond it is found.
func TestDroppedAuditRecordsAreExplained(t *testing.T) {
	w := newWorld(t)
	w.withoutJobs()
	other := w.otherWorkspace()
	w.auditRetention = 24 * time.Hour
	for range 5 {
		w.record(w.who.WorkspaceID(), 7)
		w.record(other.WorkspaceID(), 2)
		w.seal()
		w.advance(10 * time.Hour)
		if err := w.dropAuditRecords(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantWhole(w.who, "")
		w.wantWhole(other, "")
	}
	v := w.wantWhole(w.who, "")
	if v.DroppedBefore.IsZero() || v.Records == 0 {
		t.Fatalf("%+v: nothing was dropped, or everything", v)
	}
	x := w.tampering()
	x.copy()
	x.exec("DELETE FROM audit_logs WHERE seq = (SELECT MIN(seq) FROM audit_logs "+
		"WHERE workspace_id = $1)", w.who.WorkspaceID())
	if v := w.verified(w.who, ""); len(v.Problems) != 1 {
		t.Errorf("%+v, want the removed record", v.Problems)
	}
	x.restore()
	w.advance(1000 * time.Hour)
	if err := w.dropAuditRecords(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantWhole(w.who, v.Head)
	w.record(w.who.WorkspaceID(), 3)
	w.seal()
	if v := w.wantWhole(w.who, v.Head); v.Records != 3 {
		t.Errorf("%d records, want 3 after all others were dropped", v.Records)
	}
}

// Blocks keep the data key that they were made with when data keys are replaced.
func TestChainsOutliveTheirDataKeys(t *testing.T) {
	w := newWorld(t)
	w.withoutJobs()
	for range 3 {
		w.record(w.who.WorkspaceID(), 3)
		w.seal()
		err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			return tx.RetireDataKeys(ctx, w.now().UnixMilli())
		})
		if err != nil {
			t.Fatal(err)
		}
		w.advance(100 * time.Hour)
		if err := w.replaceDataKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.chain.signers.Clear() // as after a restart
		w.wantWhole(w.who, "")
	}
}

// Several nodes that seal, drop and verify while others write leave one whole chain.
func TestChainsAreExactUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	w.withoutJobs()
	other := w.otherWorkspace()
	w.auditRetention = time.Hour
	ctx := t.Context()
	var running sync.WaitGroup
	run := func(n int, do func() error) {
		running.Go(func() {
			for range n {
				if err := do(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, who := range []Caller{w.who, other} {
		for range 3 {
			run(60, func() error {
				w.advance(time.Minute)
				_, err := w.do(who, "apis.createApi", latchkey.CreateAPIRequest{Name: "payments"})
				return err
			})
		}
		run(30, func() error {
			v, err := w.do(who, "auditLogs.verifyAuditLogs", latchkey.VerifyAuditLogsRequest{})
			if err == nil {
				if v := v.Data.(latchkey.AuditVerification); len(v.Problems) > 0 {
					err = fmt.Errorf("problems: %+v", v.Problems)
				}
			}
			return err
		})
	}
	for range 3 { // as that many nodes
		run(30, func() error {
			_, _, err := w.sealSome(ctx)
			return err
		})
	}
	run(10, func() error { return w.dropAuditRecords(ctx) })
	running.Wait()
	w.seal()
	for _, who := range []Caller{w.who, other} {
		if v := w.wantWhole(who, ""); v.Unsealed != 0 {
			t.Errorf("%d records are not sealed", v.Unsealed)
		}
	}
	if w.chain.breaks.Load() != 0 {
		t.Error("a node found a break")
	}
}

// Nothing is added to a chain whose head was forged or removed, and other jobs say why.
func TestForgedHeadsAreNotContinued(t *testing.T) {
	w := newWorld(t)
	w.withoutJobs()
	w.seal()
	x := w.tampering()
	x.copy()
	for _, text := range []string{
		"UPDATE audit_heads SET last_seq = 0 WHERE workspace_id = ''",
		"DELETE FROM audit_heads WHERE workspace_id = ''",
		"DELETE FROM audit_heads",
		"UPDATE audit_heads SET data_key = 'x' WHERE workspace_id <> ''",
		"DELETE FROM audit_heads WHERE workspace_id <> ''",
		"UPDATE audit_heads SET workspace_id = 'junk' WHERE workspace_id <> ''",
	} {
		x.exec(text)
		w.record(w.who.WorkspaceID(), 1)
		if err := w.sealAudit(t.Context()); err == nil || !strings.Contains(err.Error(), "hash chain") {
			t.Errorf("%s: %v", text, err)
		}
		if w.chain.unsealed.Load() == 0 {
			t.Errorf("%s: no record counts as unsealed", text)
		}
		x.restore()
	}
	w.seal()
	w.wantWhole(w.who, "")
}
