package server

import (
	"strconv"

	"github.com/latchkeyhq/latchkey"
)

// hot writes the answers of the operations that stand in the way of every
// request of somebody else's service, keys.verifyKey and ratelimit.limit. It
// takes the place of encoding/json, which needs seven times as long for a
// verification, because it calls the fields' own MarshalJSON and reads over
// what they return. FuzzHotAnswers holds that both write the same.
//
// Each member is written with what stands before its value, so that the text of
// the answer can be read in the code.
type hot struct {
	out []byte
	odd bool // there is a string that needs escaping: out is of no use
}

// appendHot appends the data of an answer to out. It reports false, having
// appended nothing of use, for the data of other operations and for strings
// that need escaping, which encoding/json knows how to do.
func appendHot(out []byte, data any) ([]byte, bool) {
	h := hot{out: out}
	switch data := data.(type) {
	case latchkey.Verification:
		h.verification(&data)
	case latchkey.LimitResult:
		h.limitResult(&data)
	default:
		return nil, false
	}
	return h.out, !h.odd
}

func (h *hot) limitResult(r *latchkey.LimitResult) {
	h.bool(`{"success":`, r.Success)
	h.number(`,"limit":`, r.Limit)
	h.number(`,"remaining":`, r.Remaining)
	h.number(`,"reset":`, r.Reset.UnixMilli())
	h.someText(`,"overrideId":`, r.OverrideID)
	h.raw(`}`)
}

func (h *hot) verification(v *latchkey.Verification) {
	h.bool(`{"valid":`, v.Valid)
	h.text(`,"code":`, string(v.Code))
	h.someText(`,"keyId":`, v.KeyID)
	h.someText(`,"name":`, v.Name)
	h.meta(v.Meta)
	if !v.Expires.IsZero() {
		h.number(`,"expires":`, v.Expires.UnixMilli())
	}
	if balance, ok := v.Credits.Get(); ok {
		h.number(`,"credits":`, balance)
	} else if v.Credits.IsNull() {
		h.raw(`,"credits":null`)
	}
	if enabled, ok := v.Enabled.Get(); ok {
		h.bool(`,"enabled":`, enabled)
	} else if v.Enabled.IsNull() {
		h.raw(`,"enabled":null`)
	}
	h.someTexts(`,"permissions":[`, v.Permissions)
	h.someTexts(`,"roles":[`, v.Roles)
	if v.Identity != nil {
		h.identity(v.Identity)
	}
	h.states(v.Ratelimits)
	h.raw(`}`)
}

func (h *hot) identity(i *latchkey.Identity) {
	h.text(`,"identity":{"id":`, i.ID)
	h.text(`,"externalId":`, i.ExternalID)
	h.meta(i.Meta)
	for n, l := range i.Ratelimits {
		h.raw(opening(n, `,"ratelimits":[`))
		h.text(`{"id":`, l.ID)
		h.text(`,"name":`, l.Name)
		h.number(`,"limit":`, l.Limit)
		h.number(`,"duration":`, l.Duration.Milliseconds())
		h.bool(`,"autoApply":`, l.AutoApply)
		h.raw(`}`)
	}
	h.raw(closing(len(i.Ratelimits)))
	h.raw(`}`)
}

func (h *hot) states(states []latchkey.RatelimitState) {
	for n, s := range states {
		h.raw(opening(n, `,"ratelimits":[`))
		h.bool(`{"exceeded":`, s.Exceeded)
		h.text(`,"id":`, s.ID)
		h.text(`,"name":`, s.Name)
		h.number(`,"limit":`, s.Limit)
		h.number(`,"duration":`, s.Duration.Milliseconds())
		h.number(`,"reset":`, s.Reset.UnixMilli())
		h.number(`,"remaining":`, s.Remaining)
		h.bool(`,"autoApply":`, s.AutoApply)
		h.raw(`}`)
	}
	h.raw(closing(len(states)))
}

// opening is what stands before the item of that index: the beginning of the
// list or a comma.
func opening(index int, begin string) string {
	if index == 0 {
		return begin
	}
	return ","
}

// closing is what stands behind a list of that length: an empty one is left out.
func closing(length int) string {
	if length == 0 {
		return ""
	}
	return "]"
}

func (h *hot) raw(text string) { h.out = append(h.out, text...) }

func (h *hot) bool(before string, b bool) { h.out = strconv.AppendBool(append(h.out, before...), b) }

func (h *hot) number(before string, n int64) {
	h.out = strconv.AppendInt(append(h.out, before...), n, 10)
}

func (h *hot) text(before, s string) {
	h.out = append(h.out, before...)
	h.out = append(h.out, '"')
	h.out = append(h.out, s...)
	h.out = append(h.out, '"')
	h.odd = h.odd || !isPlain(s)
}

// someText writes a text that is left out when it is empty.
func (h *hot) someText(before, s string) {
	if s != "" {
		h.text(before, s)
	}
}

// someTexts writes a list that is left out when it is empty.
func (h *hot) someTexts(before string, list []string) {
	for i, s := range list {
		h.text(opening(i, before), s)
	}
	h.raw(closing(len(list)))
}

// meta writes metadata as it is. The store holds it in its shortest form, in
// which encoding/json would find nothing to change.
func (h *hot) meta(m latchkey.Meta) {
	if m != "" {
		h.raw(`,"meta":`)
		h.raw(string(m))
	}
}

// isPlain reports whether a string stands in JSON as it is: ASCII without
// control characters, quotes and backslashes.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
