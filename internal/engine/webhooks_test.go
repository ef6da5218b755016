package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
	"github.com/latchkeyhq/latchkey/internal/webhook"
)

// newWebhook makes a webhook and returns its id.
func (w *world) newWebhook(who Caller, url string, events ...string) string {
	w.t.Helper()
	return must[latchkey.CreatedWebhook](w, who, "webhooks.createWebhook",
		latchkey.CreateWebhookRequest{URL: url, Events: events}).WebhookID
}

// disableWebhook lets the receiver of a webhook of the operator's workspace be gone.
func (w *world) disableWebhook(id string) {
	w.t.Helper()
	w.gone(id, must[latchkey.Webhook](w, w.who, "webhooks.getWebhook",
		latchkey.GetWebhookRequest{WebhookID: id}).URL)
}

// gone lets a webhook find the receiver at a URL gone.
func (w *world) gone(id, url string) {
	w.t.Helper()
	hook := &read.Webhook{ID: id, WorkspaceID: w.who.WorkspaceID(), URL: url}
	err := w.saveOutcomes(w.t.Context(), hook,
		[]outcome{{write.SetDeliveredParams{Status: http.StatusGone}, true}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// receiver is a server that webhooks are sent to.
type receiver struct {
	t      *testing.T
	url    string
	config *tls.Config
	status atomic.Int64 // of its responses

	mu  sync.Mutex
	got []received
}

// received is a request that it got.
type received struct {
	id        string
	at        int64 // the header webhook-timestamp
	signature string
	body      []byte
	event     latchkey.WebhookEvent
}

// receive starts a receiver that the engines can call.
func receive(t *testing.T, worlds ...*world) *receiver {
	t.Helper()
	r := &receiver{t: t}
	r.status.Store(http.StatusNoContent)
	server := httptest.NewTLSServer(r)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	r.url, r.config = server.URL, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	for _, w := range worlds {
		w.hooks.sender = webhook.NewSender(
			[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, r.config)
		t.Cleanup(w.hooks.sender.Close)
	}
	return r
}

// ServeHTTP takes an event.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	got := received{
		id: request.Header.Get("webhook-id"), signature: request.Header.Get("webhook-signature"),
	}
	got.at, _ = strconv.ParseInt(request.Header.Get("webhook-timestamp"), 10, 64)
	got.body, _ = io.ReadAll(request.Body)
	if err := json.Unmarshal(got.body, &got.event); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	r.got = append(r.got, got)
	r.mu.Unlock()
	w.WriteHeader(int(r.status.Load()))
}

// all is what arrived so far.
func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// until works on webhooks until something holds, or fails.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(end) {
			w.t.Fatalf("after a minute not: %s", what)
		}
		w.mustRun(w.workOnWebhooks)
		time.Sleep(5 * time.Millisecond)
	}
}

// settled works on webhooks until nothing is left to do.
func (w *world) settled(hooks ...string) {
	w.t.Helper()
	w.until("settled", func() bool {
		behind, err := w.db.WebhooksBehind(w.t.Context(), "", maxWaiting-1, 100)
		if err != nil {
			w.t.Fatal(err)
		}
		w.hooks.mu.Lock()
		noticed := len(w.hooks.noticed)
		w.hooks.mu.Unlock()
		return len(behind) == 0 && noticed == 0 && !slices.ContainsFunc(hooks, func(hook string) bool {
			return len(w.deliveries(hook, latchkey.DeliveryWaiting)) > 0
		})
	})
}

func (w *world) deliveries(
	hook string, status latchkey.DeliveryStatus,
) []latchkey.WebhookDelivery {
	w.t.Helper()
	return whole[latchkey.WebhookDelivery](w, w.who, "webhooks.listDeliveries",
		func(cursor string) any {
			return latchkey.ListWebhookDeliveriesRequest{
				WebhookID: hook, Status: status, Cursor: cursor,
			}
		})
}

// typesOf is what types of events arrived, in alphabetical order.
func (r *receiver) typesOf() (types []string) {
	for _, got := range r.all() {
		types = append(types, got.event.Type)
	}
	slices.Sort(types)
	return types
}

// TestChangesAreDeliveredSigned: each change of a key is one event, however many records the
// audit log has of it. It has no secret, and another workspace's changes are none.
func TestChangesAreDeliveredSigned(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := must[latchkey.CreatedWebhook](w, w.who, "webhooks.createWebhook",
		latchkey.CreateWebhookRequest{URL: r.url, Events: []string{
			latchkey.EventKeyCreated, latchkey.EventKeyUpdated, latchkey.EventKeyRerolled,
			latchkey.EventKeyDeleted, latchkey.EventRootKeyCreated,
		}})
	few := receive(t)
	w.newWebhook(w.who, few.url, latchkey.EventKeyDeleted)
	api := w.newAPI()
	key := w.newKey(latchkey.CreateKeyRequest{
		APIID: api, Name: "a key", Meta: `{"m":"geheim"}`, Permissions: []string{"a", "b"},
	})
	w.advance(time.Second)
	must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{
		KeyID: key.KeyID, Enabled: latchkey.Set(true), Permissions: latchkey.Set([]string{"c"}),
	})
	w.advance(time.Second)
	next := must[latchkey.CreatedKey](w, w.who, "keys.rerollKey",
		latchkey.RerollKeyRequest{KeyID: key.KeyID, Expiration: latchkey.Set(latchkey.PerMilli(0))})
	w.advance(time.Second)
	must[latchkey.Empty](w, w.who, "keys.deleteKey", latchkey.DeleteKeyRequest{KeyID: next.KeyID})
	root := w.newRootKey(w.who, latchkey.CreateRootKeyRequest{Permissions: []string{}})
	other := w.otherWorkspace()
	must[latchkey.CreatedAPI](w, other, "apis.createApi", latchkey.CreateAPIRequest{Name: "other"})

	w.settled(hook.WebhookID)
	byType := map[string]received{}
	for _, got := range r.all() {
		byType[got.event.Type] = got
		want, err := webhook.Sign([]string{hook.Secret}, got.id, got.at, got.body)
		if err != nil || got.signature != want || got.at != w.now().Unix() {
			t.Errorf("%s at %d is signed %q, want %q (%v)", got.id, got.at, got.signature, want, err)
		}
		for _, secret := range []string{"geheim", key.Key, next.Key, root.Key} {
			if strings.Contains(string(got.body), secret) {
				t.Errorf("a secret in %s", got.body)
			}
		}
	}
	// the root key of the other workspace is made by the operator, in this one
	want := []string{"key.created", "key.deleted", "key.rerolled", "key.updated",
		"root_key.created", "root_key.created"}
	if diff := cmp.Diff(want, r.typesOf()); diff != "" {
		t.Error(diff)
	}
	data := func(event string) latchkey.WebhookData { return byType[event].event.Data }
	if d := data("key.created"); d.KeyID != key.KeyID || d.APIID != api || d.Name != "a key" ||
		d.WorkspaceID != w.who.WorkspaceID() || d.Actor == nil || d.Actor.ID != w.who.root.id {
		t.Errorf("created: %+v", d)
	}
	if d := data("key.rerolled"); d.KeyID != next.KeyID || d.ReplacedKeyID != key.KeyID {
		t.Errorf("rerolled: %+v", d)
	}
	if at := byType["key.updated"].event.Timestamp; !at.Equal(start.Add(time.Second)) {
		t.Errorf("updated at %v", at)
	}
	ids := map[string]bool{}
	for _, got := range r.all() {
		ids[got.id] = true
	}
	if len(ids) != len(want) {
		t.Errorf("%d ids of %d events", len(ids), len(want))
	}
}

// TestAPageEndsBetweenChanges: a key is one event, wherever a page of the audit log would end.
func TestAPageEndsBetweenChanges(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreated, latchkey.EventKeyUpdated)
	api, want := w.newAPI(), []string{}
	for range auditPage {
		w.who.RequestID = NewRequestID()
		w.newKey(latchkey.CreateKeyRequest{APIID: api, Permissions: []string{"a", "b", "c"}})
		want = append(want, latchkey.EventKeyCreated)
	}
	w.settled(hook)
	if diff := cmp.Diff(want, r.typesOf()); diff != "" {
		t.Error(diff)
	}
}

// TestFailedDeliveriesAreRetried: with the same id, later each time, until the receiver takes
// it; and again when somebody asks for it.
func TestFailedDeliveriesAreRetried(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	r.status.Store(http.StatusBadGateway)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreated)
	w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI()})
	for n := 1; n <= 3; n++ {
		w.until(fmt.Sprint("attempt ", n), func() bool {
			waiting := w.deliveries(hook, latchkey.DeliveryWaiting)
			return len(waiting) == 1 && waiting[0].Attempts == int64(n) &&
				waiting[0].ResponseStatus == 502 && waiting[0].AttemptedAt.Equal(w.now())
		})
		if since := must[latchkey.Webhook](w, w.who, "webhooks.getWebhook",
			latchkey.GetWebhookRequest{WebhookID: hook}).FailingSince; since.IsZero() {
			t.Error("it isn't said to fail")
		}
		if n == 3 {
			r.status.Store(http.StatusOK)
		}
		w.advance(4 * time.Minute)
	}
	w.settled(hook)
	done := w.deliveries(hook, latchkey.DeliveryDelivered)
	if len(done) != 1 || done[0].Attempts != 4 || done[0].Error != "" ||
		done[0].ResponseStatus != 200 {
		t.Fatalf("%+v", done)
	}
	must[latchkey.Empty](w, w.who, "webhooks.resendDelivery",
		latchkey.ResendWebhookDeliveryRequest{WebhookID: hook, DeliveryID: done[0].ID})
	w.settled(hook)
	ids := map[string]int{}
	for _, got := range r.all() {
		ids[got.id]++
	}
	if len(ids) != 1 || ids[done[0].ID] != 5 {
		t.Errorf("requests: %v", ids)
	}
	if got := must[latchkey.Webhook](w, w.who, "webhooks.getWebhook",
		latchkey.GetWebhookRequest{WebhookID: hook}); !got.FailingSince.IsZero() || !got.Enabled {
		t.Errorf("%+v", got)
	}
}

// TestDeliveriesEnd: after the last attempt nothing is sent.
func TestDeliveriesEnd(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	r.status.Store(http.StatusTeapot)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreated)
	id := must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
		latchkey.SendTestWebhookRequest{WebhookID: hook}).DeliveryID
	w.exec("UPDATE webhook_deliveries SET attempts = $1 WHERE id = $2", webhook.MaxAttempts-1, id)
	w.settled(hook)
	failed := w.deliveries(hook, latchkey.DeliveryFailed)
	if len(failed) != 1 || failed[0].ID != id || !failed[0].NextAttemptAt.IsZero() {
		t.Errorf("%+v", failed)
	}
}

// TestLostClaimsAreTakenUp: what a node had claimed when it was killed is sent later.
func TestLostClaimsAreTakenUp(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := w.newWebhook(w.who, "https://hooks.invalid/", latchkey.EventKeyCreated)
	id := must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
		latchkey.SendTestWebhookRequest{WebhookID: hook}).DeliveryID
	err := w.db.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		return tx.ClaimDelivery(ctx, id, w.now().Add(claimTime).UnixMilli())
	})
	if err != nil {
		t.Fatal(err)
	}
	must[latchkey.Webhook](w, w.who, "webhooks.updateWebhook",
		latchkey.UpdateWebhookRequest{WebhookID: hook, URL: latchkey.Set(r.url)})
	w.mustRun(w.workOnWebhooks)
	if len(r.all()) != 0 {
		t.Fatal("sent while it is claimed")
	}
	w.advance(claimTime)
	w.settled(hook)
	if len(r.all()) != 1 {
		t.Errorf("sent %d times", len(r.all()))
	}
}

// TestLowCreditsAreReportedOnce: in each period, whoever spends, whether it was noticed or
// found.
func TestLowCreditsAreReportedOnce(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := must[latchkey.CreatedWebhook](w, w.who, "webhooks.createWebhook",
		latchkey.CreateWebhookRequest{URL: r.url, Events: []string{latchkey.EventKeyCreditsLow},
			CreditThreshold: latchkey.Set[int64](3)}).WebhookID
	w.mustRun(w.workOnWebhooks)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI(), Credits: limitedTo(8)})
	w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI(), Credits: limitedTo(100)})
	spend := func(n int) {
		var wait sync.WaitGroup
		for range n {
			wait.Go(func() { w.verify(key.Key) })
		}
		wait.Wait()
		w.settled(hook)
		w.mustRun(w.searchForEvents)
		w.settled(hook)
	}
	want := func(n int, when string) {
		t.Helper()
		if got := len(r.all()); got != n {
			t.Fatalf("%s: %d events, want %d", when, got, n)
		}
	}
	spend(4)
	want(0, "with 4 left")
	spend(6)
	want(1, "with none left")
	got := r.all()[0].event.Data
	if got.KeyID != key.KeyID || got.Credits == nil || got.Credits.Threshold != 3 ||
		got.Credits.Remaining > 3 {
		t.Errorf("%+v", got)
	}
	w.advance(time.Second)
	must[latchkey.Credits](w, w.who, "keys.updateCredits", latchkey.UpdateCreditsRequest{
		KeyID: key.KeyID, Operation: latchkey.SetCredits, Value: latchkey.Set[int64](2),
	})
	spend(0)
	want(1, "while it stays low")
	w.advance(time.Second)
	must[latchkey.Credits](w, w.who, "keys.updateCredits", latchkey.UpdateCreditsRequest{
		KeyID: key.KeyID, Operation: latchkey.SetCredits, Value: latchkey.Set[int64](5),
	})
	w.settled(hook)
	spend(2)
	want(2, "after it rose")
	w.advance(time.Second)
	must[latchkey.Credits](w, w.who, "keys.updateCredits", latchkey.UpdateCreditsRequest{
		KeyID: key.KeyID, Operation: latchkey.SetCredits, Value: latchkey.Set[int64](4),
	})
	w.settled(hook)
	w.verify(key.Key)
	w.hooks.take() // as if the node had been killed
	w.mustRun(w.searchForEvents)
	w.settled(hook)
	want(3, "when nobody noticed")
}

// TestReservedCreditsAreNoticed: what a settlement takes beyond them too, and nothing that was
// taken back.
func TestReservedCreditsAreNoticed(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreditsLow)
	w.mustRun(w.workOnWebhooks)
	key := w.newKey(latchkey.CreateKeyRequest{Credits: limitedTo(5)})
	reserve := func(cost int64) latchkey.VerifyKeyRequest {
		return latchkey.VerifyKeyRequest{
			Key: key.Key, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(cost)},
			Reserve: &latchkey.VerifyKeyReserve{TTL: latchkey.Per(time.Minute)},
		}
	}
	quotas := w.who.root.quotas
	w.who.root.quotas = &latchkey.Quotas{Reservations: latchkey.Set[int64](0)}
	w.refused(w.who, "keys.verifyKey", reserve(5), 403, "workspace_quota_exceeded")
	w.who.root.quotas = quotas
	if len(w.hooks.take()) != 0 {
		t.Error("noticed what was not committed")
	}
	v := must[latchkey.Verification](w, w.who, "keys.verifyKey", reserve(3))
	must[latchkey.SettledReservation](w, w.who, "budgets.settle", latchkey.SettleReservationRequest{
		ReservationID: v.Reservation.ID, Credits: latchkey.Set[int64](9),
	})
	w.settled(hook)
	if got := r.all(); len(got) != 1 || got[0].event.Data.KeyID != key.KeyID {
		t.Errorf("%d events", len(got))
	}
}

// TestRefillsBeginAPeriod: a key that is low again after a refill is reported again.
func TestRefillsBeginAPeriod(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreditsLow)
	w.mustRun(w.workOnWebhooks)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI(), Credits: &latchkey.Credits{
		Remaining: latchkey.Set[int64](1),
		Refill:    &latchkey.Refill{Interval: latchkey.Daily, Amount: 1},
	}})
	for day := 1; day <= 3; day++ {
		for range 3 {
			w.verify(key.Key)
		}
		w.settled(hook)
		w.mustRun(w.searchForEvents)
		w.settled(hook)
		if got := len(r.all()); got != day {
			t.Fatalf("%d events after %d days", got, day)
		}
		w.advance(24 * time.Hour)
	}
}

// TestExceededLimitsAreReportedOnceAWindow: of however many refusals.
func TestExceededLimitsAreReportedOnceAWindow(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := w.newWebhook(w.who, r.url, latchkey.EventRatelimitExceeded)
	w.mustRun(w.workOnWebhooks)
	limits := []latchkey.RatelimitRequest{{
		Name: "requests", Limit: 1, Duration: latchkey.Per(time.Minute), AutoApply: latchkey.Set(true),
	}}
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI(), Ratelimits: limits})
	for window := 1; window <= 2; window++ {
		for range 3 {
			for range 5 {
				w.verify(key.Key)
				w.limit(w.who, ask("mail", "u", 1))
				w.limit(w.who, ask("mail", "v", 1000))
			}
			w.settled(hook)
			w.hooks.mu.Lock()
			clear(w.hooks.told) // as if another node had
			w.hooks.mu.Unlock()
		}
		if got := len(r.all()); got != 2*window {
			t.Fatalf("%d events after %d windows", got, window)
		}
		w.advance(2 * time.Minute)
	}
	for _, got := range r.all() {
		limit := got.event.Data.Ratelimit
		if limit == nil || limit.Limit != 1 || limit.Duration.Duration() != time.Minute ||
			(limit.Name != "requests" || got.event.Data.KeyID != key.KeyID) &&
				(limit.Namespace != "mail" || limit.Identifier != "u") {
			t.Errorf("%s", got.body)
		}
	}
}

// TestExpiringKeysAreReportedOnce: and again only for another expiry.
func TestExpiringKeysAreReportedOnce(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyExpiring)
	w.mustRun(w.workOnWebhooks)
	api := w.newAPI()
	in := func(days int) latchkey.Time { return latchkey.At(w.now().AddDate(0, 0, days)) }
	soon := w.newKey(latchkey.CreateKeyRequest{APIID: api, Expires: in(3)})
	w.newKey(latchkey.CreateKeyRequest{APIID: api, Expires: in(20)})
	w.newKey(latchkey.CreateKeyRequest{APIID: api})
	for range 150 {
		w.newKey(latchkey.CreateKeyRequest{APIID: api, Expires: in(6)})
	}
	search := func(want int) {
		t.Helper()
		for range 3 {
			w.mustRun(w.searchForEvents)
			w.settled(hook)
		}
		if got := len(r.all()); got != want {
			t.Fatalf("%d events, want %d", got, want)
		}
	}
	search(151)
	must[latchkey.Empty](w, w.who, "keys.updateKey", latchkey.UpdateKeyRequest{
		KeyID: soon.KeyID, Expires: latchkey.Set(in(4)),
	})
	search(152)
	w.advance(14 * 24 * time.Hour)
	search(153)
	ids := map[string]int{}
	for _, got := range r.all() {
		ids[got.event.Data.KeyID]++
		if got.event.Data.Expires.IsZero() {
			t.Errorf("%s", got.body)
		}
	}
	if len(ids) != 152 || ids[soon.KeyID] != 2 {
		t.Errorf("%d keys, the first %d times", len(ids), ids[soon.KeyID])
	}
}

// TestDeadWebhooksAreDisabled: one whose receiver is gone at once, one that fails after five
// days, each with a record in the audit log. A success in between counts.
func TestDeadWebhooksAreDisabled(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	state := func(id string) latchkey.Webhook {
		t.Helper()
		return must[latchkey.Webhook](w, w.who, "webhooks.getWebhook",
			latchkey.GetWebhookRequest{WebhookID: id})
	}
	test := func(hook string) {
		t.Helper()
		sent := len(r.all())
		must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
			latchkey.SendTestWebhookRequest{WebhookID: hook})
		w.until("it is sent", func() bool { return len(r.all()) > sent })
		w.until("the outcome is stored", func() bool {
			return w.number("SELECT COUNT(*) FROM webhook_deliveries "+
				"WHERE attempts > 0 AND attempted_at = 0") == 0
		})
	}
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreated)
	failing := func(hours int64) {
		w.exec("UPDATE webhooks SET failing_since = $1 WHERE id = $2",
			w.now().UnixMilli()-hours*time.Hour.Milliseconds(), hook)
	}
	failing(121)
	test(hook)
	if got := state(hook); !got.Enabled || !got.FailingSince.IsZero() {
		t.Errorf("after a success: %+v", got)
	}
	r.status.Store(http.StatusInternalServerError)
	failing(119)
	test(hook)
	if got := state(hook); !got.Enabled || got.FailingSince.IsZero() {
		t.Errorf("after 119 hours: %+v", got)
	}
	failing(121)
	test(hook)
	if got := state(hook); got.Enabled || !strings.Contains(got.DisabledReason, "five days") {
		t.Errorf("%+v", got)
	}
	w.refused(w.who, "webhooks.sendTest", latchkey.SendTestWebhookRequest{WebhookID: hook},
		412, "precondition_failed")
	if log := w.auditLogs(w.who.WorkspaceID())[0]; log.Event != "webhook.disable" ||
		log.Actor.Type != system || !strings.Contains(log.Description, "five days") {
		t.Errorf("%+v", log)
	}
	again := must[latchkey.Webhook](w, w.who, "webhooks.updateWebhook",
		latchkey.UpdateWebhookRequest{WebhookID: hook, Enabled: latchkey.Set(true)})
	if !again.Enabled || again.DisabledReason != "" || !again.FailingSince.IsZero() {
		t.Errorf("%+v", again)
	}
	r.status.Store(http.StatusGone)
	gone := w.newWebhook(w.who, r.url, latchkey.EventKeyCreated)
	test(gone)
	w.until("it is disabled", func() bool { return !state(gone).Enabled })
	if got := state(gone); !strings.Contains(got.DisabledReason, "410") {
		t.Errorf("%+v", got)
	}
}

// TestANewURLBeginsAnew: what became of the receiver before says nothing about it.
func TestANewURLBeginsAnew(t *testing.T) {
	w := newWorld(t)
	const before, after = "https://before.invalid/", "https://after.invalid/"
	hook := w.newWebhook(w.who, before, latchkey.EventKeyCreated)
	w.exec("UPDATE webhooks SET failing_since = 1 WHERE id = $1", hook)
	set := func(r latchkey.UpdateWebhookRequest) latchkey.Webhook {
		t.Helper()
		r.WebhookID = hook
		return must[latchkey.Webhook](w, w.who, "webhooks.updateWebhook", r)
	}
	same := set(latchkey.UpdateWebhookRequest{Description: latchkey.Set("x")})
	if same.FailingSince.IsZero() {
		t.Errorf("with the same URL: %+v", same)
	}
	set(latchkey.UpdateWebhookRequest{URL: latchkey.Set(after)})
	w.gone(hook, before)
	got := must[latchkey.Webhook](w, w.who, "webhooks.getWebhook",
		latchkey.GetWebhookRequest{WebhookID: hook})
	if !got.Enabled || !got.FailingSince.IsZero() {
		t.Errorf("with another URL: %+v", got)
	}
	w.gone(hook, after)
	if got := must[latchkey.Webhook](w, w.who, "webhooks.getWebhook",
		latchkey.GetWebhookRequest{WebhookID: hook}); got.Enabled {
		t.Errorf("when that is gone: %+v", got)
	}
}

// TestNothingIsLeftOfDeletedWebhooks: neither deliveries nor marks, nor the webhooks of a
// workspace that was deleted long ago. Those of another one stay.
func TestNothingIsLeftOfDeletedWebhooks(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	fill := func(who Caller) string {
		t.Helper()
		hook := w.newWebhook(who, "https://hooks.invalid/", latchkey.EventKeyCreated)
		must[latchkey.SentTestWebhook](w, who, "webhooks.sendTest",
			latchkey.SendTestWebhookRequest{WebhookID: hook})
		w.exec("INSERT INTO webhook_marks (webhook_id, event, subject, period, ends_at) "+
			"VALUES ($1, 'e', 's', 0, $2)", hook, w.now().AddDate(1, 0, 0).UnixMilli())
		return hook
	}
	want := func(n int64, when string) {
		t.Helper()
		w.mustRun(w.dropDeliveries)
		for _, table := range []string{"webhook_deliveries", "webhook_marks"} {
			if got := int64(w.number("SELECT COUNT(*) FROM " + table)); got != n {
				t.Errorf("%s: %d rows in %s, want %d", when, got, table, n)
			}
		}
	}
	deleted := fill(w.who)
	fill(w.who)
	fill(other)
	want(3, "at first")
	must[latchkey.Empty](w, w.who, "webhooks.deleteWebhook",
		latchkey.DeleteWebhookRequest{WebhookID: deleted})
	want(2, "after a webhook was deleted")
	w.exec("UPDATE workspaces SET deleted_at = $1 WHERE id = $2",
		w.now().Add(-deletedRetention).UnixMilli()-1, other.WorkspaceID())
	want(1, "after a workspace was deleted")
}

// TestSecretsOverlap: for a day after a rotation both sign, and a rotation of the master key
// changes nothing.
func TestSecretsOverlap(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	made := must[latchkey.CreatedWebhook](w, w.who, "webhooks.createWebhook",
		latchkey.CreateWebhookRequest{URL: r.url, Events: []string{latchkey.EventKeyCreated}})
	second := must[latchkey.RotatedWebhookSecret](w, w.who, "webhooks.rotateSecret",
		latchkey.RotateWebhookSecretRequest{WebhookID: made.WebhookID}).Secret
	signedWith := func(secrets ...string) {
		t.Helper()
		before := len(r.all())
		must[latchkey.SentTestWebhook](w, w.who, "webhooks.sendTest",
			latchkey.SendTestWebhookRequest{WebhookID: made.WebhookID})
		w.settled(made.WebhookID)
		got := r.all()[before]
		want, err := webhook.Sign(secrets, got.id, got.at, got.body)
		if err != nil || got.signature != want {
			t.Errorf("signed %q, want %q", got.signature, want)
		}
	}
	signedWith(second, made.Secret)
	w.retire()
	w.advance(time.Minute)
	w.mustRun(w.replaceDataKeys)
	w.advance(time.Minute)
	w.mustRun(w.replaceDataKeys)
	if n := w.number("SELECT COUNT(*) FROM data_keys " +
		"WHERE retired_at <> 0 AND owner = 'webhooks'"); n != 0 {
		t.Errorf("%d retired data keys are left", n)
	}
	signedWith(second, made.Secret)
	w.advance(24 * time.Hour)
	signedWith(second)
	if n := w.number("SELECT COUNT(*) FROM webhooks " +
		"WHERE CAST(secrets AS TEXT) LIKE '%whsec%'"); n != 0 {
		t.Error("a secret is stored as it is")
	}
}

// TestAFullQueueLosesNothing: a receiver that is down gets all events later.
func TestAFullQueueLosesNothing(t *testing.T) {
	w := newWorld(t)
	r := receive(t, w)
	r.status.Store(http.StatusServiceUnavailable)
	hook := w.newWebhook(w.who, r.url, latchkey.EventKeyCreated)
	api := w.newAPI()
	const keys = maxWaiting + 300
	migration := must[latchkey.CreatedMigration](w, w.who, "migrations.createMigration",
		latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256}).MigrationID
	for i := range keys / 100 {
		some := make([]latchkey.MigrateKey, 100)
		for n := range some {
			some[n].Hash = hashText(fmt.Sprint(i, n))
		}
		must[latchkey.MigratedKeys](w, w.who, "keys.migrateKeys", latchkey.MigrateKeysRequest{
			MigrationID: migration, APIID: api, Keys: some,
		})
		w.advance(time.Second)
	}
	w.until("the queue is full", func() bool {
		return w.number("SELECT COUNT(*) FROM webhook_deliveries") >= maxWaiting
	})
	if n := w.number("SELECT COUNT(*) FROM webhook_deliveries"); n > maxWaiting+auditPage {
		t.Fatalf("%d deliveries wait", n)
	}
	w.refused(w.who, "webhooks.sendTest", latchkey.SendTestWebhookRequest{WebhookID: hook},
		412, "precondition_failed")
	r.status.Store(http.StatusOK)
	w.until("all arrive", func() bool {
		w.advance(time.Minute)
		return w.number("SELECT COUNT(*) FROM webhook_deliveries WHERE delivered_at <> 0") == keys
	})
	seen := map[string]bool{}
	for _, got := range r.all() {
		seen[got.event.Data.KeyID] = true
	}
	if len(seen) != keys {
		t.Errorf("%d keys", len(seen))
	}
	w.advance(deliveryRetention + time.Hour)
	w.mustRun(w.dropDeliveries)
	if n := w.number("SELECT COUNT(*) FROM webhook_deliveries"); n != 0 {
		t.Errorf("%d old deliveries", n)
	}
}

// TestNodesDeliverOnce: two nodes that both work report and send each event once.
func TestNodesDeliverOnce(t *testing.T) {
	nodes := newNodes(t, 2, nil)
	r := receive(t, nodes...)
	hook := must[latchkey.CreatedWebhook](nodes[0], nodes[0].who, "webhooks.createWebhook",
		latchkey.CreateWebhookRequest{URL: r.url, Events: []string{
			latchkey.EventKeyCreated, latchkey.EventKeyCreditsLow, latchkey.EventRatelimitExceeded,
		}}).WebhookID
	for _, w := range nodes { // the other one hears of it
		w.hooks.outdated.Store(true)
		w.mustRun(w.workOnWebhooks)
	}
	api := nodes[0].newAPI()
	const keys = 20
	var wait sync.WaitGroup
	for i := range keys {
		key := nodes[i%2].newKey(latchkey.CreateKeyRequest{APIID: api, Credits: limitedTo(4)})
		wait.Go(func() {
			for n := range 8 {
				nodes[n%2].verify(key.Key)
			}
		})
		wait.Go(func() {
			for n := range 4 {
				nodes[n%2].limit(nodes[n%2].who, ask("mail", fmt.Sprint(i), 1))
			}
		})
		for _, w := range nodes {
			wait.Go(func() { w.mustRun(w.workOnWebhooks) })
		}
	}
	wait.Wait()
	for _, w := range nodes {
		w.settled(hook)
		w.mustRun(w.searchForEvents)
		w.settled(hook)
	}
	count := map[string]int{}
	for _, got := range r.all() {
		count[got.event.Type]++
	}
	want := map[string]int{"key.created": keys, "key.credits_low": keys, "ratelimit.exceeded": keys}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
}

// TestQuietHooksCostNothing: without a webhook that waits for it, nothing is noticed.
func TestQuietHooksCostNothing(t *testing.T) {
	w := newWorld(t)
	key := w.newKey(latchkey.CreateKeyRequest{APIID: w.newAPI(), Credits: limitedTo(1)})
	w.verify(key.Key)
	w.limit(w.who, asking(ask("mail", "u", 1), 2))
	w.newWebhook(w.otherWorkspace(), "https://hooks.invalid/",
		latchkey.EventKeyCreditsLow, latchkey.EventRatelimitExceeded)
	w.mustRun(w.readWebhooks)
	w.limit(w.who, asking(ask("mail", "u", 1), 2))
	w.hooks.mu.Lock()
	defer w.hooks.mu.Unlock()
	if len(w.hooks.noticed) != 0 {
		t.Errorf("noticed %v", w.hooks.noticed)
	}
}

// TestThresholdsAreExactOverKilledNodes: of three nodes that spend, one loses in each round what
// it has noticed, and what another one has claimed is sent again. Each threshold has one event.
func TestThresholdsAreExactOverKilledNodes(t *testing.T) {
	nodes := newNodes(t, 3, nil)
	r := receive(t, nodes...)
	hook := nodes[0].newWebhook(nodes[0].who, r.url, latchkey.EventKeyCreditsLow)
	for _, w := range nodes {
		w.hooks.outdated.Store(true)
		w.mustRun(w.readWebhooks)
	}
	api := nodes[0].newAPI()
	const rounds = 20
	for round := range rounds {
		key := nodes[round%3].newKey(latchkey.CreateKeyRequest{APIID: api, Credits: limitedTo(6)})
		var wait sync.WaitGroup
		for n := range 9 {
			wait.Go(func() { nodes[n%3].verify(key.Key) })
		}
		wait.Go(func() { nodes[(round+1)%3].mustRun(nodes[(round+1)%3].workOnWebhooks) })
		wait.Wait()
		nodes[round%3].hooks.take()
		for _, w := range nodes {
			w.advance(claimTime)
			wait.Go(func() { w.mustRun(w.searchForEvents) })
		}
		wait.Wait()
	}
	for _, w := range nodes {
		w.settled(hook)
	}
	events := map[string]string{} // their ids by key
	for _, got := range r.all() {
		key := got.event.Data.KeyID
		if first := events[key]; first != "" && first != got.id {
			t.Errorf("key %s has two events: %s and %s", key, first, got.id)
		}
		events[key] = got.id
	}
	if len(events) != rounds {
		t.Errorf("events of %d keys, want %d", len(events), rounds)
	}
}
