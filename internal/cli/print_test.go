package cli

import (
	"strconv"
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// TestNamesCannotMislead: a name doesn't reorder text, end a line, move the cursor or look
// like other columns, and the audit log shows the id beside it.
func TestNamesCannotMislead(t *testing.T) {
	for name, want := range map[string]string{
		"operator\u202e gnol": "operator gnol", "a\u2066b\u2069": "a b", "a\nb\r\x1b[2Jc": "a b [2Jc",
		"me  10.0.0.1  nothing": "me 10.0.0.1 nothing", "a\u200bb\ufeff": "a b", "\u2028": "-",
		"a\u00a0\u00a0b": "a b", "naïve 鍵 🔑": "naïve 鍵 🔑",
	} {
		if got := clean([]string{name})[0]; got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
	row := auditRow(latchkey.AuditLog{
		Actor: latchkey.AuditActor{ID: "rk_true", Name: "rk_operator"},
	})
	if got := strings.Join(row[2:4], " "); got != "rk_true rk_operator" {
		t.Errorf("the actor is %q", got)
	}
}

// TestDurationsAreShownInTheirUnit: alone a duration has its number, and a limit leaves out
// a one.
func TestDurationsAreShownInTheirUnit(t *testing.T) {
	for millis, want := range map[int64][2]string{
		1000: {"1s", "10/s"}, 15_000: {"15s", "10/15s"}, 60_000: {"1m", "10/m"},
		2_592_000_000: {"30d", "10/30d"}, 1500: {"1500ms", "10/1500ms"}, 1: {"1ms", "10/ms"},
	} {
		alone := scalar([]byte(strconv.FormatInt(millis, 10)), "duration")
		if limit := perTime(10, latchkey.PerMilli(millis)); alone != want[0] || limit != want[1] {
			t.Errorf("%d ms are shown as %q and %q, want %q", millis, alone, limit, want)
		}
	}
}
