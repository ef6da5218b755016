package latchkey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// WebhookEvent is an event that a webhook receives.
type WebhookEvent struct {
	// ID is the same each time the event is sent. Use it to recognize repetitions.
	ID string `json:"-"`
	// Type says what happened, such as key.created.
	Type string `json:"type"`
	// Timestamp is when it happened.
	Timestamp time.Time `json:"timestamp"`
	// Data says to what it happened.
	Data WebhookData `json:"data"`
}

// WebhookData says to what an event happened. Fields that an event doesn't have are zero.
// It has no secrets and no metadata: read the key for more.
type WebhookData struct {
	// WorkspaceID is the workspace of the webhook.
	WorkspaceID string `json:"workspaceId"`
	// KeyID is the key of an event about a key, after a reroll the new one.
	KeyID string `json:"keyId,omitempty"`
	// ReplacedKeyID is the key that was rerolled, or the root key.
	ReplacedKeyID string `json:"replacedKeyId,omitempty"`
	// APIID is the API of the key.
	APIID string `json:"apiId,omitempty"`
	// RootKeyID is the new root key of root_key.created.
	RootKeyID string `json:"rootKeyId,omitempty"`
	// Name is the name of the key or the root key.
	Name string `json:"name,omitempty"`
	// Actor is who made the change. Its name is absent.
	Actor *AuditActor `json:"actor,omitempty"`
	// Expires is when the key of key.expiring expires, in unix milliseconds.
	Expires Time `json:"expires,omitzero"`
	// Credits are those of key.credits_low.
	Credits *WebhookCredits `json:"credits,omitempty"`
	// Ratelimit is the limit of ratelimit.exceeded.
	Ratelimit *WebhookRatelimit `json:"ratelimit,omitempty"`
}

// WebhookCredits are the credits of a key that few are left of.
type WebhookCredits struct {
	// Remaining is the balance when the event was recorded.
	Remaining int64 `json:"remaining"`
	// Threshold is the threshold of the webhook.
	Threshold int64 `json:"threshold"`
}

// WebhookRatelimit is a limit that was exceeded.
type WebhookRatelimit struct {
	// Name is the name of the limit of a key, "" for a limit of a namespace.
	Name string `json:"name,omitempty"`
	// Namespace is the namespace of the limit, "" for a limit of a key.
	Namespace string `json:"namespace,omitempty"`
	// Identifier is who exceeded the limit of a namespace.
	Identifier string `json:"identifier,omitempty"`
	// Limit is how much was allowed.
	Limit int64 `json:"limit"`
	// Duration is the length of the window in milliseconds.
	Duration Duration `json:"duration"`
}

// The types of events.
const (
	EventKeyCreated        = "key.created"
	EventKeyUpdated        = "key.updated"
	EventKeyRerolled       = "key.rerolled"
	EventKeyDeleted        = "key.deleted"
	EventKeyExpiring       = "key.expiring"
	EventKeyCreditsLow     = "key.credits_low"
	EventRatelimitExceeded = "ratelimit.exceeded"
	EventRootKeyCreated    = "root_key.created"
	EventWebhookTest       = "webhook.test" // sent by webhooks.sendTest
)

// ErrWebhookSignature is the error of a message that the service didn't sign, of one that was
// signed more than five minutes ago, and of one without signature. Respond with status 401.
var ErrWebhookSignature = errors.New("latchkey: the signature of the webhook is invalid")

// webhookTolerance is how far the clocks of sender and receiver can be apart, and how long
// a message can be on its way.
const webhookTolerance = 5 * time.Minute

// VerifyWebhook returns the event of a request that a webhook receives, if it was signed with
// the secret, which begins with whsec_. The body must be what was received, byte for byte. It
// returns ErrWebhookSignature if nobody should trust the request. An event can arrive more
// than once; its ID is the same each time.
func VerifyWebhook(secret string, header http.Header, body []byte) (WebhookEvent, error) {
	return verifyWebhook(secret, header, body, time.Now())
}

func verifyWebhook(
	secret string, header http.Header, body []byte, now time.Time,
) (WebhookEvent, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return WebhookEvent{}, errors.New("latchkey: the secret of a webhook must be " +
			"whsec_ and base64")
	}
	id, at := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > webhookTolerance {
		return WebhookEvent{}, ErrWebhookSignature
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	signed := false
	for signature := range strings.SplitSeq(header.Get("webhook-signature"), " ") {
		signed = signed || hmac.Equal([]byte(signature), want)
	}
	if !signed {
		return WebhookEvent{}, ErrWebhookSignature
	}
	event := WebhookEvent{ID: id}
	if err := json.Unmarshal(body, &event); err != nil {
		return WebhookEvent{}, fmt.Errorf("latchkey: webhook: %w", err)
	}
	return event, nil
}
