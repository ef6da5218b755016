package engine

import (
	"math"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/events"
)

// recordVerification records the event of a verification of an existing key.
func (e *Engine) recordVerification(
	who *Caller, obs *observation, r *latchkey.VerifyKeyRequest,
) {
	outcome, recorded := events.OutcomeNamed(string(obs.code))
	if !recorded {
		return
	}
	event := events.Verification{
		Key: obs.key, RequestID: who.RequestID, At: obs.at, Latency: latency(who),
		Outcome: outcome,
	}
	if obs.key.limited && obs.code == latchkey.Valid {
		event.Credits = cost(r)
	}
	if len(r.Tags) > 0 {
		tags := slices.Clone(r.Tags) // the caller's slice can change
		event.Tags = &tags
	}
	e.events.Verify(who.Lane, &event)
}

// latency returns how long a request has taken so far, in µs; 0 if nobody knows.
func latency(who *Caller) uint32 {
	if who.Trace == nil || who.Trace.Begun.IsZero() {
		return 0
	}
	return uint32(min(time.Since(who.Trace.Begun).Microseconds(), math.MaxUint32))
}

// Subject names the key in events.
func (k *keySnapshot) Subject() events.Subject {
	s := events.Subject{Workspace: k.workspace, Space: k.keyspace, Key: k.id}
	if k.identity != nil {
		s.Identity, s.External = k.identity.ID, k.identity.ExternalID
	}
	return s
}

// decision is a decision on a limit for the events.
type decision struct {
	space      *namespace
	identifier string
	cost       int64
	at         int64 // unix ms
}

// recordLimit records the event of a decision on a limit.
func (e *Engine) recordLimit(who *Caller, d *decision, result *latchkey.LimitResult) {
	if e.events == nil || who.Unrecorded {
		return
	}
	e.events.Limited(who.Lane, &events.Limit{
		Workspace: who.WorkspaceID(), Namespace: d.space.id, Identifier: d.identifier,
		Override: result.OverrideID, RequestID: who.RequestID, At: d.at, Latency: latency(who),
		Limit: result.Limit, Remaining: result.Remaining, Cost: d.cost,
		Reset: result.Reset.UnixMilli(), Passed: result.Success,
	})
}
