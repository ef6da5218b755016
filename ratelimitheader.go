package latchkey

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SetRateLimitHeader sets the header fields of a response that say how much is left of
// the rate limits that its request was held to, and when to come back:
//
//   - RateLimit-Policy, with the size and the window of each limit, and RateLimit, with
//     what is left of it and the seconds until there is more, as in
//     draft-ietf-httpapi-ratelimit-headers-11. A field lists as many limits as fit in
//     1,024 bytes, beginning with the one that decides.
//   - RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset of the limit that decides:
//     the exceeded one that takes longest to have room again, or the one with the least
//     left.
//   - Retry-After, if it is known when to come back.
//
// All times are in seconds, rounded up. Without limits it sets at most Retry-After.
func SetRateLimitHeader(h http.Header, limits []RatelimitState, retryAfter time.Duration) {
	if retryAfter > 0 {
		h["Retry-After"] = []string{wholeSeconds(retryAfter)}
	}
	if len(limits) == 0 {
		return
	}
	limits = slices.SortedStableFunc(slices.Values(limits), byUrgency)
	var policies, states fieldList
	for i := range limits {
		l := &limits[i]
		name := quoted(l.Name)
		policy := name + ";q=" + fieldInteger(l.Limit)
		if window := l.Duration.Duration(); window > 0 {
			policy += ";w=" + wholeSeconds(window)
		}
		state := name + ";r=" + fieldInteger(l.Remaining)
		// Nothing may name a later time than Retry-After, which is what clients obey.
		if more := untilMore(l); retryAfter <= 0 || more <= retryAfter {
			state += ";t=" + wholeSeconds(more)
		}
		policies.add(policy)
		states.add(state)
	}
	first := &limits[0]
	h["Ratelimit-Policy"], h["Ratelimit"] = policies.values(), states.values()
	h["Ratelimit-Limit"] = []string{strconv.FormatInt(first.Limit, 10)}
	h["Ratelimit-Remaining"] = []string{strconv.FormatInt(first.Remaining, 10)}
	h["Ratelimit-Reset"] = []string{wholeSeconds(first.untilReset())}
}

// byUrgency orders limits: first those that are exceeded, and of these the ones that take
// longest to have room again, which is unknown or never if they don't say. Of the others
// the one with the least left is first.
func byUrgency(a, b RatelimitState) int {
	if a.Exceeded != b.Exceeded {
		if a.Exceeded {
			return -1
		}
		return 1
	}
	if !a.Exceeded {
		return cmp.Compare(a.Remaining, b.Remaining)
	}
	return cmp.Or(
		cmp.Compare(min(a.RetryAfter.ms, 1), min(b.RetryAfter.ms, 1)),
		cmp.Compare(b.RetryAfter.ms, a.RetryAfter.ms),
		b.Reset.Compare(a.Reset.Time),
	)
}

// untilMore returns when there is more of a limit: enough for the request, if that is
// known.
func untilMore(l *RatelimitState) time.Duration {
	if wait := l.RetryAfter.Duration(); l.Exceeded && wait > 0 {
		return wait
	}
	return l.untilReset()
}

// untilReset returns the time until the limit resets: not more than a window, in case the
// clocks of service and program differ.
func (l *RatelimitState) untilReset() time.Duration {
	return max(0, min(time.Until(l.Reset.Time), l.Duration.Duration()))
}

// fieldList is a list of RFC 9651 that is not longer than what proxies accept beside other
// headers.
type fieldList struct {
	text strings.Builder
	full bool
}

// add adds an item, unless it or one before it has no room.
func (f *fieldList) add(item string) {
	const longest, separator = 1024, ", "
	if f.text.Len() > 0 {
		item = separator + item
	}
	if f.full = f.full || f.text.Len()+len(item) > longest; !f.full {
		f.text.WriteString(item)
	}
}

// values returns the field as a header has it, or nil for an empty list.
func (f *fieldList) values() []string {
	if f.text.Len() == 0 {
		return nil
	}
	return []string{f.text.String()}
}

// fieldInteger returns a number as an integer of RFC 9651, which has 15 digits.
func fieldInteger(n int64) string {
	const most = 999_999_999_999_999
	return strconv.FormatInt(min(max(n, 0), most), 10)
}

// quoted returns a text as a string of RFC 9651. What such strings can't have is
// percent-encoded as in URLs, and so is the percent sign.
func quoted(text string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(text)+2)
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~' || c == '%':
			b = append(b, '%', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// wholeSeconds returns a time in whole seconds, rounded up, so that who waits that long
// has waited long enough.
func wholeSeconds(d time.Duration) string {
	whole := int64(d / time.Second)
	if d%time.Second > 0 {
		whole++
	}
	return strconv.FormatInt(whole, 10)
}
