package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/webhook"
)

// Some events are no changes: a key has few credits, a limit is exceeded, a key expires soon.
// Verifications only notice the first two, in memory, if a webhook of the workspace waits for
// them. A job reports what was noticed, and what a search finds that nobody noticed. A mark
// in the store makes sure that an event is reported once in its period, whoever reports it.

// hooks is what the engine has in memory for webhooks.
type hooks struct {
	sender   *webhook.Sender
	outdated atomic.Bool                       // the webhooks must be read again
	readAt   atomic.Int64                      // when they were last read, unix ms
	searched atomic.Int64                      // when the last search began, unix ms
	watches  atomic.Pointer[map[string]*watch] // by workspace; nil while nobody waits
	workers  hookWorkers
	// the webhooks after which the next looks begin, so that all take turns
	collected, delivered lastHook
	counts               hookCounts

	mu      sync.Mutex
	noticed map[notice]any // what is to be reported, with what is known of it
	told    map[notice]bool
}

func (h *hooks) open(networks []netip.Prefix) {
	h.sender = webhook.NewSender(networks, nil)
	h.outdated.Store(true)
	h.workers.busy, h.workers.of = map[string]bool{}, map[string]int{}
	h.noticed, h.told = map[notice]any{}, map[notice]bool{}
}

// watch is what the webhooks of a workspace wait for.
type watch struct {
	hooks      []watchedHook
	limits     bool
	thresholds []int64 // of credits
}

type watchedHook struct {
	id, workspace string
	events        []string
	expiringDays  int64
	threshold     int64
}

func (h *watchedHook) wants(event string) bool { return slices.Contains(h.events, event) }

// notice is something to report once in a period.
type notice struct {
	event, workspace, subject string
	period                    int64
}

const (
	// maxNoticed is how many things are noticed at most until the job reports them, and how many
	// of those it has reported are remembered.
	maxNoticed = 20_000
	// shortestPeriod is how often the same limit is reported at most.
	shortestPeriod = time.Minute
	// creditMarks is after how long a key is reported again whose balance stays low.
	creditMarks = 400 * 24 * time.Hour
)

// watch returns what the webhooks of a workspace wait for, or nil.
func (h *hooks) watch(workspace string) *watch {
	if watches := h.watches.Load(); watches != nil {
		return (*watches)[workspace]
	}
	return nil
}

// notice keeps something for the job, unless there is too much.
func (h *hooks) notice(n notice, known any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, again := h.noticed[n]; again || h.told[n] {
		return
	}
	if len(h.noticed) >= maxNoticed {
		h.counts.unnoticed.Add(1)
		return
	}
	h.noticed[n] = known
}

// noticeCredits notices that the balance of a key may have become low.
func (h *hooks) noticeCredits(workspace, key string) {
	h.notice(notice{event: latchkey.EventKeyCreditsLow, workspace: workspace, subject: key}, nil)
}

// noticeVerified notices what a verification has exceeded or spent. It is called after the commit:
// before it, the job could look at the balance too early.
func (h *hooks) noticeVerified(obs *observation, v *latchkey.Verification, cost int64) {
	switch v.Code {
	case latchkey.RateLimited:
		h.noticeExceeded(obs.key, v.Ratelimits, obs.at)
	case latchkey.Valid:
		if left, limited := v.Credits.Get(); limited {
			h.noticeSpent(obs.key, left, cost)
		}
	}
}

// noticeCharged notices that a settlement has taken credits of a key.
func (h *hooks) noticeCharged(res *reservation) {
	watch := h.watch(res.WorkspaceID)
	if watch != nil && len(watch.thresholds) > 0 && res.CreditsCharged > 0 {
		h.noticeCredits(res.WorkspaceID, res.KeyID)
	}
}

// noticeSpent notices a spend that has taken a balance to a threshold or below.
func (h *hooks) noticeSpent(key *keySnapshot, left, cost int64) {
	watch := h.watch(key.workspace)
	if watch == nil {
		return
	}
	for _, threshold := range watch.thresholds {
		if left <= threshold && threshold-left < cost {
			h.noticeCredits(key.workspace, key.id)
			return
		}
	}
}

// noticeExceeded notices the limits of a verification that were exceeded.
func (h *hooks) noticeExceeded(key *keySnapshot, limits []latchkey.RatelimitState, now int64) {
	if watch := h.watch(key.workspace); watch == nil || !watch.limits {
		return
	}
	for i := range limits {
		if l := &limits[i]; l.Exceeded {
			// a limit of an identity is one for all its keys; one of the request has no id
			subject := subjectOf(cmp.Or(l.ID, key.id), l.Name, l.Duration)
			h.noticeLimit(key.workspace, subject, now, latchkey.WebhookData{
				KeyID: key.id, APIID: key.api,
				Ratelimit: &latchkey.WebhookRatelimit{
					Name: l.Name, Limit: l.Limit, Duration: l.Duration,
				},
			})
		}
	}
}

// noticeDenied notices that a limit of a namespace was exceeded.
func (h *hooks) noticeDenied(
	workspace string, space *namespace, r *latchkey.LimitRequest, now int64,
) {
	if watch := h.watch(workspace); watch == nil || !watch.limits {
		return
	}
	asked, _ := space.ask(workspace, r)
	duration := latchkey.PerMilli(asked.Duration)
	h.noticeLimit(workspace, subjectOf(space.id, r.Identifier, duration), now,
		latchkey.WebhookData{Ratelimit: &latchkey.WebhookRatelimit{
			Namespace: r.Namespace, Identifier: r.Identifier, Limit: asked.Limit, Duration: duration,
		}})
}

// subjectOf names a limit in few bytes.
func subjectOf(owner, name string, duration latchkey.Duration) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", owner, name, duration.Milliseconds()))
	return base64.RawStdEncoding.EncodeToString(sum[:18])
}

func (h *hooks) noticeLimit(
	workspace, subject string, now int64, data latchkey.WebhookData,
) {
	window := max(data.Ratelimit.Duration.Milliseconds(), shortestPeriod.Milliseconds())
	n := notice{latchkey.EventRatelimitExceeded, workspace, subject, now - now%window}
	data.WorkspaceID = workspace
	h.notice(n, exceeded{data, now})
}

// exceeded is a limit that was exceeded at a time.
type exceeded struct {
	data latchkey.WebhookData
	at   int64
}

// take returns what was noticed, for the job.
func (h *hooks) take() map[notice]any {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.noticed
	h.noticed = map[notice]any{}
	if len(h.told) > maxNoticed {
		clear(h.told)
	}
	for n := range taken {
		if n.period != 0 {
			h.told[n] = true
		}
	}
	return taken
}

// giveBack keeps what could not be reported for the next run of the job.
func (h *hooks) giveBack(some map[notice]any) {
	h.mu.Lock()
	for n := range some {
		delete(h.told, n)
	}
	h.mu.Unlock()
	for n, known := range some {
		h.notice(n, known)
	}
}

// readWebhooks reads what webhooks wait for if that may have changed.
func (e *Engine) readWebhooks(ctx context.Context) error {
	const longest = time.Minute // another node can have changed a workspace
	h := &e.hooks
	if !h.outdated.Swap(false) && e.now() < h.readAt.Load()+longest.Milliseconds() {
		return nil
	}
	rows, err := e.db.ActiveWebhooks(ctx)
	if err != nil {
		h.outdated.Store(true)
		return fmt.Errorf("webhooks: %w", err)
	}
	watches := map[string]*watch{}
	for _, row := range rows {
		watched := watches[row.WorkspaceID]
		if watched == nil {
			watched = new(watch)
			watches[row.WorkspaceID] = watched
		}
		watched.add(watchedHook{row.ID, row.WorkspaceID, strings.Fields(row.Events),
			row.ExpiringDays, row.CreditThreshold})
	}
	h.readAt.Store(e.now())
	if len(watches) == 0 {
		h.watches.Store(nil)
	} else {
		h.watches.Store(&watches)
	}
	return nil
}

// noteChanges notes that other nodes may have changed webhooks.
func (h *hooks) noteChanges(log store.LogRead) {
	if log.All {
		h.outdated.Store(true)
	}
	for id := range changedIDs(log) {
		if strings.HasPrefix(id, webhookPrefix+"_") {
			h.outdated.Store(true)
		}
	}
}

func (w *watch) add(h watchedHook) {
	w.hooks = append(w.hooks, h)
	w.limits = w.limits || h.wants(latchkey.EventRatelimitExceeded)
	if h.wants(latchkey.EventKeyCreditsLow) {
		w.thresholds = append(w.thresholds, h.threshold)
	}
}

// oncePer is an event that is reported once in a period.
type oncePer struct {
	hook    *watchedHook
	event   latchkey.WebhookEvent
	subject string
	period  int64
	until   int64 // when the mark can be forgotten
}

// reportNoticed queues the events of what was noticed, in one change for each workspace.
func (e *Engine) reportNoticed(ctx context.Context) error {
	byWorkspace := map[string]map[notice]any{}
	for n, known := range e.hooks.take() {
		if byWorkspace[n.workspace] == nil {
			byWorkspace[n.workspace] = map[notice]any{}
		}
		byWorkspace[n.workspace][n] = known
	}
	var errs []error
	for workspace, some := range byWorkspace {
		watched := e.hooks.watch(workspace)
		if watched == nil {
			continue
		}
		if err := e.reportSome(ctx, workspace, watched, some); err != nil {
			e.hooks.giveBack(some)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) reportSome(
	ctx context.Context, workspace string, watched *watch, some map[notice]any,
) error {
	var events []oncePer
	for i := range watched.hooks {
		hook := &watched.hooks[i]
		waiting, err := e.db.WaitingDeliveries(ctx, hook.id, maxWaiting)
		if err != nil {
			return fmt.Errorf("waiting deliveries: %w", err)
		}
		room := maxWaiting - int(waiting)
		for n, known := range some {
			if !hook.wants(n.event) {
				continue
			}
			if room--; room < 0 { // low credits are found again by the search
				e.hooks.counts.unnoticed.Add(1)
				continue
			}
			event, err := e.eventOfNotice(ctx, hook, n, known)
			if err != nil {
				return err
			}
			if event != nil {
				events = append(events, *event)
			}
		}
	}
	return e.reportOnce(ctx, workspace, events)
}

// eventOfNotice returns the event of something that was noticed, or nil if it isn't so any
// more.
func (e *Engine) eventOfNotice(
	ctx context.Context, hook *watchedHook, n notice, known any,
) (*oncePer, error) {
	if limit, is := known.(exceeded); is {
		const clocks = time.Hour // between nodes
		return &oncePer{
			hook: hook, subject: n.subject, period: n.period,
			until: limit.at + max(limit.data.Ratelimit.Duration.Milliseconds(),
				shortestPeriod.Milliseconds()) + clocks.Milliseconds(),
			event: latchkey.WebhookEvent{
				Type: n.event, Timestamp: time.UnixMilli(limit.at).UTC(), Data: limit.data,
			},
		}, nil
	}
	return e.lowCredits(ctx, hook, n.subject)
}

// lowCredits returns the event of a key whose balance is at most the threshold of a webhook,
// or nil.
func (e *Engine) lowCredits(
	ctx context.Context, hook *watchedHook, key string,
) (*oncePer, error) {
	row, err := e.db.CreditsOfKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("credits: %w", err)
	}
	if row.Remaining > hook.threshold {
		return nil, nil
	}
	now := e.now()
	return &oncePer{
		hook: hook, subject: row.BalanceID, period: row.RefillAt,
		until: now + creditMarks.Milliseconds(),
		event: latchkey.WebhookEvent{
			Type: latchkey.EventKeyCreditsLow, Timestamp: time.UnixMilli(now).UTC(),
			Data: latchkey.WebhookData{
				WorkspaceID: hook.workspace, KeyID: row.ID, APIID: row.APIID,
				Name: clip(row.Name, maxAuditName),
				Credits: &latchkey.WebhookCredits{
					Remaining: row.Remaining, Threshold: hook.threshold,
				},
			},
		},
	}, nil
}

// reportOnce queues events of a workspace that were not reported in their periods, a few in a
// change. Changes are serial, so nobody else queues them too.
func (e *Engine) reportOnce(ctx context.Context, workspace string, events []oncePer) error {
	system := e.system(workspace)
	for some := range slices.Chunk(events, auditPage) {
		err := e.update(ctx, system.turn(), func(ctx context.Context, tx *store.Tx) error {
			for i := range some {
				if err := e.report(ctx, tx, &some[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) report(ctx context.Context, tx *store.Tx, once *oncePer) error {
	body, err := json.Marshal(&once.event)
	if err != nil {
		return fmt.Errorf("webhook event: %w", err)
	}
	err = tx.InsertDeliveryOnce(ctx, write.InsertDeliveryOnceParams{
		ID: newEventID(), WebhookID: once.hook.id, Event: once.event.Type, Payload: string(body),
		Now: e.now(), Subject: once.subject, Period: once.period,
	})
	if err != nil {
		return err
	}
	if once.event.Type == latchkey.EventKeyCreditsLow {
		err = tx.DeleteOtherWebhookMarks(ctx, write.DeleteOtherWebhookMarksParams{
			WebhookID: once.hook.id, Event: once.event.Type, Subject: once.subject, Period: once.period,
		})
		if err != nil {
			return err
		}
	}
	return tx.InsertWebhookMark(ctx, write.InsertWebhookMarkParams{
		WebhookID: once.hook.id, Event: once.event.Type, Subject: once.subject,
		Period: once.period, EndsAt: once.until,
	})
}

// searchIfDue searches at the start and then at intervals.
func (e *Engine) searchIfDue(ctx context.Context) error {
	now := e.now()
	if last := e.hooks.searched.Load(); last != 0 && now < last+searchInterval.Milliseconds() {
		return nil
	}
	e.hooks.searched.Store(now)
	return e.searchForEvents(ctx)
}

// searchForEvents reports keys that expire soon, and keys with few credits that nobody noticed:
// a killed node loses what it has noticed.
func (e *Engine) searchForEvents(ctx context.Context) error {
	watches := e.hooks.watches.Load()
	if watches == nil {
		return nil
	}
	var errs []error
	for _, watched := range *watches {
		for i := range watched.hooks {
			hook := &watched.hooks[i]
			if hook.wants(latchkey.EventKeyExpiring) {
				errs = append(errs, e.reportExpiring(ctx, hook))
			}
			if hook.wants(latchkey.EventKeyCreditsLow) {
				errs = append(errs, e.reportLow(ctx, hook))
			}
		}
	}
	return errors.Join(errs...)
}

// room reports whether a page of events still fits into the queue of a webhook. What doesn't
// is found by a later search.
func (e *Engine) room(ctx context.Context, hook *watchedHook) (bool, error) {
	waiting, err := e.db.WaitingDeliveries(ctx, hook.id, maxWaiting)
	if err != nil {
		return false, fmt.Errorf("waiting deliveries: %w", err)
	}
	return waiting+auditPage <= maxWaiting, nil
}

// reportExpiring reports the keys that expire soon to a webhook.
func (e *Engine) reportExpiring(ctx context.Context, hook *watchedHook) error {
	now := e.now()
	until := now + hook.expiringDays*(24*time.Hour).Milliseconds()
	for from := now + 1; ; {
		if room, err := e.room(ctx, hook); err != nil || !room {
			return err
		}
		keys, err := e.db.ExpiringKeys(ctx, read.ExpiringKeysParams{
			WorkspaceID: hook.workspace, FromExpires: from, ToExpires: until,
			WebhookID: hook.id, Event: latchkey.EventKeyExpiring, Most: auditPage,
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		events := make([]oncePer, len(keys))
		for i, key := range keys {
			events[i] = oncePer{
				hook: hook, subject: key.ID, period: key.Expires.Int64,
				until: key.Expires.Int64 + (24 * time.Hour).Milliseconds(),
				event: latchkey.WebhookEvent{
					Type: latchkey.EventKeyExpiring, Timestamp: time.UnixMilli(now).UTC(),
					Data: latchkey.WebhookData{
						WorkspaceID: hook.workspace, KeyID: key.ID, APIID: key.APIID,
						Name: clip(key.Name, maxAuditName), Expires: latchkey.AtMilli(key.Expires.Int64),
					},
				},
			}
		}
		if err := e.reportOnce(ctx, hook.workspace, events); err != nil {
			return err
		}
		from = keys[len(keys)-1].Expires.Int64
	}
}

// reportLow reports the keys with few credits to a webhook.
func (e *Engine) reportLow(ctx context.Context, hook *watchedHook) error {
	for after := ""; ; {
		if room, err := e.room(ctx, hook); err != nil || !room {
			return err
		}
		keys, err := e.db.KeysLowOnCredits(ctx, read.KeysLowOnCreditsParams{
			WorkspaceID: hook.workspace, After: after, Threshold: hook.threshold,
			WebhookID: hook.id, Event: latchkey.EventKeyCreditsLow, Most: auditPage,
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		var events []oncePer
		for _, key := range keys {
			event, err := e.lowCredits(ctx, hook, key)
			if err != nil {
				return err
			}
			if event != nil {
				events = append(events, *event)
			}
		}
		if err := e.reportOnce(ctx, hook.workspace, events); err != nil {
			return err
		}
		after = keys[len(keys)-1]
	}
}
