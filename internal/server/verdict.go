package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// verdict is the answer to a question. Its size is bounded.
type verdict struct {
	status  int // of the request, if the proxy knows it
	detail  string
	invalid bool // there was a key
	charged bool // it has spent credits or counted on limits

	keyID, externalID, permissions, credits string

	limits http.Header // what is left of rate limits, and when to come back

	cause error
}

// verdictOf translates a verification. What is not valid says nothing of the key. Keys that
// don't exist look like those that are disabled or expired.
func verdictOf(v *latchkey.Verification) *verdict {
	d := new(verdict)
	if v.Valid {
		d.admit(v)
		return d
	}
	switch v.Code {
	case latchkey.NotFound, latchkey.Disabled, latchkey.Expired:
		d.status, d.detail = http.StatusUnauthorized, "The API key is not valid."
		d.invalid = true
	case latchkey.UsageExceeded:
		d.status, d.detail = http.StatusPaymentRequired, "The API key has not enough credits left."
		d.showLimits(nil, v.RetryAfter.Duration())
	case latchkey.RateLimited:
		d.status, d.detail = http.StatusTooManyRequests, "The API key is used too often."
		d.showLimits(v.Ratelimits, v.RetryAfter.Duration())
	case latchkey.InsufficientPermissions:
		d.status, d.detail = http.StatusForbidden, "The API key lacks a permission."
	default:
		d.status, d.detail = http.StatusForbidden, "The API key can't be used here."
	}
	return d
}

// admit fills in what the protected service learns of a valid key.
func (d *verdict) admit(v *latchkey.Verification) {
	d.status = http.StatusNoContent
	d.keyID, d.externalID = headerText(v.KeyID), headerText(v.ExternalID())
	d.permissions = headerList(v.Permissions)
	if left, limited := v.Credits.Get(); limited {
		d.credits = strconv.FormatInt(left, 10)
	}
	d.charged = d.credits != "" || len(v.Ratelimits) > 0
	d.showLimits(v.Ratelimits, 0)
}

// showLimits says what is left of rate limits, and when to come back if that is known.
func (d *verdict) showLimits(limits []latchkey.RatelimitState, wait time.Duration) {
	if len(limits) > 0 || wait > 0 {
		d.limits = make(http.Header)
		latchkey.SetRateLimitHeader(d.limits, limits, wait)
	}
}

// failedVerdict is the answer if a key can't be verified. A text that can't be a key is
// invalid. Anything else is not the fault of the request.
func failedVerdict(err error) *verdict {
	var refused *latchkey.Error
	if errors.As(err, &refused) && unfit(refused) {
		return &verdict{
			status: http.StatusUnauthorized, detail: "The API key is not valid.", invalid: true,
		}
	}
	d := &verdict{
		status: http.StatusServiceUnavailable, cause: err,
		detail: "The API key can't be verified at the moment.",
	}
	if refused != nil {
		d.showLimits(nil, refused.RetryAfter)
	}
	return d
}

// unfit reports whether an error is only about the form of the key.
func unfit(e *latchkey.Error) bool {
	for _, f := range e.Faults {
		if !strings.HasPrefix(f.Location, "/properties/key/") {
			return false
		}
	}
	return e.Status == http.StatusBadRequest && len(e.Faults) > 0
}

// body returns the problem document of RFC 9457.
func (d *verdict) body() []byte {
	text, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(d.status), d.status, d.detail})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return text
}

// headerText returns a text in visible ASCII: all other bytes, % and the comma, which
// separates the elements of lists, are percent-encoded as in URLs.
func headerText(s string) string {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '%' && c != ',' }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	text := []byte(s[:i])
	for ; i < len(s); i++ {
		if c := s[i]; plain(c) {
			text = append(text, c)
		} else {
			text = append(text, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(text)
}

// headerList returns a list for a header, or "" if it is longer than proxies accept.
func headerList(items []string) string {
	const longest = 4096
	n := 0
	for _, item := range items {
		n += len(item) + 1
	}
	if n > longest {
		return ""
	}
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = headerText(item)
	}
	if text := strings.Join(texts, ","); len(text) <= longest {
		return text
	}
	return ""
}
