package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/vault"
)

// The audit log of each workspace is a hash chain. A job puts new records into blocks: a block
// has a code of each of its records and the code of the block before, and a code of its own.
// The head of a chain names its last block, and the head of all chains says up to where
// records are in blocks and up to where they were deleted because of their age. All codes are
// HMACs under a data key of the vault, so the database alone isn't enough to make them. The
// head of all chains has a hash of the other heads in place of a block, so that none of them
// can be removed, and none brought back as it was before.

// auditOwner is the owner of the data keys of the chains. They are never deleted, because the
// codes of old blocks need them.
const auditOwner = "audit"

// serviceHead is the workspace of the head of all chains.
const serviceHead = ""

// errChain means that a head of the audit log was changed. Nothing is added to a chain that
// may be forged.
var errChain = errors.New("the hash chain of the audit log was changed")

// auditChain is what a node remembers of the chains.
type auditChain struct {
	mutex    sync.Mutex    // held while records are sealed
	signers  sync.Map      // of data keys, by id
	sealed   atomic.Int64  // the place up to which records are in blocks
	unsealed atomic.Int64  // records that the last run of the job left
	breaks   atomic.Uint64 // runs that found that a head was changed or is older than it was
	logged   atomic.Int64  // when the head was last logged, unix ms
}

// signer returns the signer of a data key.
func (e *Engine) signer(ctx context.Context, id string) (*vault.Signer, error) {
	if s, ok := e.chain.signers.Load(id); ok {
		return s.(*vault.Signer), nil
	}
	wrapped, err := e.db.DataKey(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("data key %q: %w", id, err)
	}
	s, err := e.vault.Signer(wrapped, auditOwner)
	if err == nil {
		e.chain.signers.Store(id, s)
	}
	return s, err
}

// currentSigner returns the data key of new codes, which is created on first use.
func (e *Engine) currentSigner(ctx context.Context) (id string, s *vault.Signer, err error) {
	row, err := e.db.CurrentDataKey(ctx, auditOwner)
	id = row.ID
	if errors.Is(err, store.ErrNotFound) {
		err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			key, err := e.dataKeyFor(ctx, tx, auditOwner)
			id = key.id
			return err
		})
	}
	if err != nil {
		return "", nil, fmt.Errorf("data key: %w", err)
	}
	s, err = e.signer(ctx, id)
	return id, s, err
}

// recordCode returns the code of a record in the log.
func recordCode(s *vault.Signer, r *read.AuditLog) []byte {
	return s.Code("record", number(r.Seq), r.ID, r.WorkspaceID, number(r.Time), r.Event,
		r.Description, r.ActorType, r.ActorID, r.ActorName, r.Targets, r.RemoteIP, r.UserAgent,
		r.CorrelationID, r.Changes)[:recordCodeSize]
}

func blockCode(s *vault.Signer, b *read.AuditBlock) []byte {
	return s.Code("block", b.WorkspaceID, number(b.Number), number(b.AfterSeq), number(b.LastSeq),
		string(b.Records), string(b.Previous), b.DataKey)
}

func headCode(s *vault.Signer, h *read.AuditHead) []byte {
	return s.Code("head", h.WorkspaceID, number(h.Number), number(h.LastSeq),
		number(h.DroppedSeq), string(h.Block), h.DataKey)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// recordCodeSize is how much of the code of a record a block has, in bytes.
const recordCodeSize = 16

// blockVersion begins the records of a block.
const blockVersion = 1

// sealedRecord is a record as a block has it.
type sealedRecord struct {
	seq  int64
	code []byte
	id   string
}

// appendRecord appends a record to those of a block: place (8 bytes), code, length of the id
// (1 byte), id.
func appendRecord(records []byte, s *vault.Signer, row *read.AuditLog) []byte {
	if len(records) == 0 {
		records = []byte{blockVersion}
	}
	id := clip(row.ID, 255)
	records = binary.BigEndian.AppendUint64(records, uint64(row.Seq))
	records = append(records, recordCode(s, row)...)
	return append(append(records, byte(len(id))), id...)
}

// sealedRecords parses the records of a block.
func sealedRecords(records []byte) (all []sealedRecord, err error) {
	const head = 8 + recordCodeSize + 1
	if len(records) == 0 || records[0] != blockVersion {
		return nil, errChain
	}
	for at := records[1:]; len(at) > 0; {
		if len(at) < head || len(at) < head+int(at[head-1]) {
			return nil, errChain
		}
		n := head + int(at[head-1])
		all = append(all, sealedRecord{
			int64(binary.BigEndian.Uint64(at)), at[8 : 8+recordCodeSize], string(at[head:n]),
		})
		at = at[n:]
	}
	return all, nil
}

// auditHead reads a head and checks its code. The zero head is none.
func (e *Engine) auditHead(
	ctx context.Context, read func(context.Context, string) (read.AuditHead, error), workspace string,
) (head read.AuditHead, err error) {
	head, err = read(ctx, workspace)
	if errors.Is(err, store.ErrNotFound) {
		head.WorkspaceID = workspace
		return head, nil
	}
	if err != nil {
		return head, fmt.Errorf("audit head: %w", err)
	}
	return head, e.checkHead(ctx, &head)
}

// checkHead checks the code of a head.
func (e *Engine) checkHead(ctx context.Context, head *read.AuditHead) error {
	s, err := e.signer(ctx, head.DataKey)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: head %q has an unknown data key", errChain, head.WorkspaceID)
	}
	if err == nil && !bytes.Equal(headCode(s, head), head.Code) {
		err = fmt.Errorf("%w: head %q", errChain, head.WorkspaceID)
	}
	return err
}

// auditHeads reads all heads as they were at one moment, and checks that they are those of
// which the head of all chains has the hash. The codes of the others are left to the caller.
// The zero head is none.
func (e *Engine) auditHeads(
	ctx context.Context,
) (service read.AuditHead, chains map[string]read.AuditHead, err error) {
	rows, err := e.db.AuditHeads(ctx)
	if err != nil {
		return service, nil, fmt.Errorf("audit heads: %w", err)
	}
	chains = make(map[string]read.AuditHead, len(rows))
	for i := range rows {
		chains[rows[i].WorkspaceID] = rows[i]
	}
	service, ok := chains[serviceHead]
	delete(chains, serviceHead)
	if ok {
		err = e.checkHead(ctx, &service)
	} else {
		err = e.neverSealed(ctx)
	}
	if err == nil && !bytes.Equal(headsHash(chains), service.Block) {
		err = fmt.Errorf("%w: a head was removed, added or replaced", errChain)
	}
	return service, chains, err
}

// neverSealed returns errChain if there are blocks without the head of all chains.
func (e *Engine) neverSealed(ctx context.Context) error {
	blocks, err := e.db.CountAuditBlocks(ctx)
	if err != nil || blocks == 0 {
		return err
	}
	head, err := e.auditHead(ctx, e.db.AuditHead, serviceHead)
	if err == nil && head.Code == nil { // and no other node just wrote the first
		err = fmt.Errorf("%w: the head of all chains was removed", errChain)
	}
	return err
}

// headsHash returns a hash of the heads of the chains, by workspace: nil for none. It is over
// their codes, which are over all else.
func headsHash(chains map[string]read.AuditHead) []byte {
	if len(chains) == 0 {
		return nil
	}
	var text []byte
	for _, workspace := range slices.Sorted(maps.Keys(chains)) {
		for _, part := range []string{workspace, string(chains[workspace].Code)} {
			text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
		}
	}
	hash := sha256.Sum256(text)
	return hash[:]
}

// signHead completes a head with its code.
func signHead(head *read.AuditHead, key string, s *vault.Signer) {
	head.DataKey, head.Block = key, append([]byte{}, head.Block...) // nil would be NULL
	head.Code = headCode(s, head)
}

// setAuditHead writes a signed head.
func setAuditHead(ctx context.Context, tx *store.Tx, head *read.AuditHead) error {
	if err := tx.SetAuditHead(ctx, write.SetAuditHeadParams(*head)); err != nil {
		return fmt.Errorf("audit head: %w", err)
	}
	return nil
}

// sealAudit puts all new records of the audit log into blocks.
func (e *Engine) sealAudit(ctx context.Context) error {
	e.chain.mutex.Lock() // so that the heads that noteSealed gets are in order
	defer e.chain.mutex.Unlock()
	err := deleteAll(func() (int64, error) {
		head, n, err := e.sealSome(ctx)
		if err == nil {
			e.chain.unsealed.Store(n)
			e.noteSealed(&head)
		}
		return n, err
	})
	if errors.Is(err, errChain) {
		e.chain.breaks.Add(1)
	}
	if err != nil {
		left, err := e.db.NextAuditLogs(ctx, e.chain.sealed.Load(), chunk)
		if err == nil {
			e.chain.unsealed.Store(int64(len(left)))
		}
	}
	return err
}

// sealSome puts the oldest records that are in no block into blocks, one for each workspace.
// It returns the head of all chains, and how many records were found. It does nothing if
// another node was faster.
func (e *Engine) sealSome(ctx context.Context) (head read.AuditHead, n int64, err error) {
	if head, err = e.auditHead(ctx, e.db.AuditHead, serviceHead); err != nil {
		return head, 0, err
	}
	rows, err := e.db.NextAuditLogs(ctx, head.LastSeq, chunk)
	if err != nil || len(rows) == 0 {
		return head, 0, err
	}
	now, chains, err := e.auditHeads(ctx)
	if err != nil || now.LastSeq != head.LastSeq {
		return now, int64(len(rows)), err
	}
	key, signer, err := e.currentSigner(ctx)
	if err != nil {
		return head, 0, err
	}
	blocks, err := e.blocksOf(ctx, chains, rows, key, signer)
	if err != nil {
		return head, 0, err
	}
	for i := range blocks {
		end := endOf(&blocks[i], signer)
		chains[end.WorkspaceID] = end
	}
	hash := headsHash(chains)
	err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		now, err = e.auditHead(ctx, tx.AuditHead, serviceHead)
		if err != nil || now.LastSeq != head.LastSeq {
			return err
		}
		now.Number += int64(len(blocks))
		now.LastSeq, now.Block = rows[len(rows)-1].Seq, hash
		if err := addBlocks(ctx, tx, blocks, chains); err != nil {
			return err
		}
		signHead(&now, key, signer)
		return setAuditHead(ctx, tx, &now)
	})
	return now, int64(len(rows)), err
}

// endOf returns the head that names a block.
func endOf(b *read.AuditBlock, s *vault.Signer) read.AuditHead {
	end := read.AuditHead{
		WorkspaceID: b.WorkspaceID, Number: b.Number, LastSeq: b.LastSeq, Block: b.Code,
	}
	signHead(&end, b.DataKey, s)
	return end
}

// addBlocks writes blocks and the heads of their chains.
func addBlocks(
	ctx context.Context, tx *store.Tx, blocks []read.AuditBlock, chains map[string]read.AuditHead,
) error {
	for i := range blocks {
		b := &blocks[i]
		if err := tx.InsertAuditBlock(ctx, write.InsertAuditBlockParams(*b)); err != nil {
			return fmt.Errorf("audit block: %w", err)
		}
		end := chains[b.WorkspaceID]
		if err := setAuditHead(ctx, tx, &end); err != nil {
			return err
		}
	}
	return nil
}

// blocksOf returns the next blocks of the chains of some records, in the order of their first
// records. Chains are the heads of all of them.
func (e *Engine) blocksOf(
	ctx context.Context, chains map[string]read.AuditHead, rows []read.AuditLog, key string,
	s *vault.Signer,
) (blocks []read.AuditBlock, err error) {
	place := map[string]int{}
	for i := range rows {
		row := &rows[i]
		at, ok := place[row.WorkspaceID]
		if !ok {
			head, ok := chains[row.WorkspaceID]
			if ok {
				if err := e.checkHead(ctx, &head); err != nil {
					return nil, err
				}
			}
			at = len(blocks)
			place[row.WorkspaceID] = at
			blocks = append(blocks, read.AuditBlock{
				WorkspaceID: row.WorkspaceID, Number: head.Number + 1, AfterSeq: head.LastSeq,
				Previous: append([]byte{}, head.Block...), DataKey: key,
			})
		}
		b := &blocks[at]
		b.Records, b.LastSeq = appendRecord(b.Records, s, row), row.Seq
	}
	for i := range blocks {
		blocks[i].Code = blockCode(s, &blocks[i])
	}
	return blocks, nil
}

// noteSealed remembers the head of all chains, and writes it into the log once a minute: what
// is kept elsewhere shows whether somebody brings back an older state of the database.
func (e *Engine) noteSealed(head *read.AuditHead) {
	before := e.chain.sealed.Swap(head.LastSeq)
	if head.LastSeq < before {
		e.chain.breaks.Add(1)
		e.log.Error("the hash chain of the audit log ends earlier than it did: "+
			"the database is an older one, or its records were removed",
			"was", sealedTime(before), "is", sealedTime(head.LastSeq))
	}
	now, last := e.now(), e.chain.logged.Load()
	if head.LastSeq != before && now-last >= time.Minute.Milliseconds() {
		e.chain.logged.Store(now)
		e.log.Info("audit log sealed", "until", sealedTime(head.LastSeq), "blocks", head.Number,
			"head", fmt.Sprintf("%x", head.Code))
	}
}

// sealedTime returns the time of a place in the log, to the microsecond.
func sealedTime(seq int64) time.Time { return time.UnixMicro(seq).UTC() }

// dropSealed deletes the records up to a place, with the blocks that have no others, and says
// so in the head of all chains.
func (e *Engine) dropSealed(ctx context.Context, last int64) (dropped int64, err error) {
	key, signer, err := e.currentSigner(ctx)
	if err != nil {
		return 0, err
	}
	err = e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		head, err := e.auditHead(ctx, tx.AuditHead, serviceHead)
		if err != nil {
			return err
		}
		if head.Code == nil {
			return fmt.Errorf("%w: the head of all chains was removed", errChain)
		}
		if dropped, err = tx.DropAuditLogs(ctx, last); err != nil {
			return err
		}
		blocks, err := tx.CountAuditBlocksUpTo(ctx, last)
		if err != nil {
			return err
		}
		if err := tx.DropAuditBlocks(ctx, last); err != nil {
			return err
		}
		head.Number -= blocks
		head.DroppedSeq = max(head.DroppedSeq, last)
		signHead(&head, key, signer)
		return setAuditHead(ctx, tx, &head)
	})
	return dropped, err
}
