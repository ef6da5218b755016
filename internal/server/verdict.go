package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// verdict is the answer to a question. Its size is bounded.
type verdict struct {
	status     int // of the request, if the proxy knows it
	detail     string
	invalid    bool // there was a key
	charged    bool // it has spent credits or counted on limits
	retryAfter string

	keyID, externalID, permissions, credits string

	limit, remaining, reset string // of one rate limit, or ""

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
	case latchkey.RateLimited:
		d.status, d.detail = http.StatusTooManyRequests, "The API key is used too often."
		d.showWait(v)
		d.showLimit(v)
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
	d.showLimit(v)
}

// showWait sets how long to wait until all exceeded limits have room, if that is known.
func (d *verdict) showWait(v *latchkey.Verification) {
	var longest time.Duration
	for _, l := range v.Ratelimits {
		if !l.Exceeded {
			continue
		}
		wait := l.RetryAfter.Duration()
		if wait <= 0 {
			return // it has never room, or nobody knows
		}
		longest = max(longest, wait)
	}
	if longest > 0 {
		d.retryAfter = seconds(longest)
	}
}

// showLimit sets the state of the limit that decides: an exceeded one, or the one with the
// least left.
func (d *verdict) showLimit(v *latchkey.Verification) {
	if len(v.Ratelimits) == 0 {
		return
	}
	l := slices.MinFunc(v.Ratelimits, func(a, b latchkey.RatelimitState) int {
		if a.Exceeded != b.Exceeded {
			if a.Exceeded {
				return -1
			}
			return 1
		}
		return int(min(max(a.Remaining-b.Remaining, -1), 1))
	})
	left := min(max(time.Until(l.Reset.Time), 0), l.Duration.Duration())
	d.limit = strconv.FormatInt(l.Limit, 10)
	d.remaining = strconv.FormatInt(l.Remaining, 10)
	d.reset = seconds(left)
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
	if refused != nil && refused.RetryAfter > 0 {
		d.retryAfter = seconds(refused.RetryAfter)
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
