package latchkey

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey/internal/webhook"
)

// TestOnlySignedWebhooksAreTrusted: what was changed, is old, or was signed with another secret
// is no event.
func TestOnlySignedWebhooksAreTrusted(t *testing.T) {
	const body = `{"type":"key.created","timestamp":"2026-03-02T10:00:00Z",` +
		`"data":{"workspaceId":"ws_1","keyId":"key_1"}}`
	old, secret, now := webhook.NewSecret(), webhook.NewSecret(), time.Unix(1772445600, 0)
	signature, err := webhook.Sign([]string{old, secret}, "evt_1", now.Unix(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	headers := func(id, at, signature string) http.Header {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", at)
		h.Set("webhook-signature", signature)
		return h
	}
	sent := headers("evt_1", "1772445600", signature)
	for _, secret := range []string{old, secret} { // while the secret is replaced there are two
		event, err := verifyWebhook(secret, sent, []byte(body), now.Add(4*time.Minute))
		if err != nil || event.ID != "evt_1" || event.Type != EventKeyCreated ||
			event.Data.KeyID != "key_1" || !event.Timestamp.Equal(now) {
			t.Errorf("%+v, %v", event, err)
		}
	}
	for name, c := range map[string]struct {
		secret string
		header http.Header
		body   string
		now    time.Time
	}{
		"another secret": {webhook.NewSecret(), sent, body, now},
		"another body":   {secret, sent, body + " ", now},
		"another id":     {secret, headers("evt_2", "1772445600", signature), body, now},
		"another time":   {secret, headers("evt_1", "1772445601", signature), body, now},
		"too old":        {secret, sent, body, now.Add(6 * time.Minute)},
		"from ahead":     {secret, sent, body, now.Add(-6 * time.Minute)},
		"no signature":   {secret, headers("evt_1", "1772445600", ""), body, now},
		"no version": {secret, headers("evt_1", "1772445600",
			strings.ReplaceAll(signature, "v1,", "")), body, now},
		"no headers": {secret, http.Header{}, body, now},
	} {
		_, err := verifyWebhook(c.secret, c.header, []byte(c.body), c.now)
		if !errors.Is(err, ErrWebhookSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, secret := range []string{"", "whsec_", "whsec_%"} {
		_, err := verifyWebhook(secret, sent, []byte(body), now)
		if err == nil || errors.Is(err, ErrWebhookSignature) {
			t.Errorf("the secret %q: %v", secret, err)
		}
	}
}
