package latchkey_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// TestOptsArePrintedAsTheirValues in text and in logs.
func TestOptsArePrintedAsTheirValues(t *testing.T) {
	for want, opt := range map[string]fmt.Stringer{
		"990":  latchkey.Int(990),
		"a b":  latchkey.Set("a b"),
		"true": latchkey.Set(true),
		"1m0s": latchkey.Set(latchkey.Per(time.Minute)),
		"null": latchkey.Null[int64](),
		"":     latchkey.Opt[int64]{},
	} {
		same(t, "String", opt.String(), want)
		same(t, "%v", fmt.Sprint(opt), want)
	}
	same(t, "in a struct", fmt.Sprint(latchkey.Credits{Remaining: latchkey.Int(990)}), "{990 <nil>}")

	var line bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&line, nil))
	log.Info("", "set", latchkey.Int(990), "null", latchkey.Null[int64](), "absent",
		latchkey.Opt[int64]{})
	if want := `"set":990,"null":"null","absent":""`; !strings.Contains(line.String(), want) {
		t.Errorf("logged %s, want %s", line.String(), want)
	}
}

// TestKeysWithoutAnOwnerHaveNoExternalID, and asking for it is safe.
func TestKeysWithoutAnOwnerHaveNoExternalID(t *testing.T) {
	owner := &latchkey.Identity{ExternalID: "user_1"}
	same(t, "of a verification", latchkey.Verification{Identity: owner}.ExternalID(), "user_1")
	same(t, "of a key", latchkey.Key{Identity: owner}.ExternalID(), "user_1")
	same(t, "of a verification without an owner", latchkey.Verification{}.ExternalID(), "")
	same(t, "of a key without an owner", latchkey.Key{}.ExternalID(), "")
}

// TestALimitIsItsOwnRequest: what was read can be sent again unchanged.
func TestALimitIsItsOwnRequest(t *testing.T) {
	for _, auto := range []bool{true, false} {
		limit := latchkey.Ratelimit{
			ID: "rl_1", Name: "calls", Limit: 5, Duration: latchkey.PerMilli(1500), AutoApply: auto,
		}
		same(t, "request", limit.Request(), latchkey.RatelimitRequest{
			Name: "calls", Limit: 5, Duration: latchkey.PerMilli(1500), AutoApply: latchkey.Set(auto),
		})
	}
}
