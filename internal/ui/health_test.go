package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// TestFaultsAreSaid: everything that isn't as it should be, in words, and nothing else.
func TestFaultsAreSaid(t *testing.T) {
	well := func() *latchkey.SystemHealth {
		return &latchkey.SystemHealth{
			Ready: true, Nodes: []latchkey.SystemNode{{NodeID: "A", Self: true, Alive: true}},
			Database: latchkey.SystemDatabase{
				Kind: "postgres", Up: true, Writable: true,
				Lag: latchkey.PerMilli(40), MaxLag: latchkey.PerMilli(1000),
			},
			Ratelimits: latchkey.SystemRatelimits{Reachable: true},
			Events:     &latchkey.SystemEvents{Written: 1},
			Disk:       &latchkey.SystemDisk{FreeBytes: 50, TotalBytes: 100},
		}
	}
	if faults := faultsOf(well()); len(faults) > 0 {
		t.Errorf("all is well, but %v", faults)
	}
	for want, spoil := range map[string]func(*latchkey.SystemHealth){
		"no requests":     func(h *latchkey.SystemHealth) { h.Ready, h.Reason = false, "draining" },
		"doesn’t answer":  func(h *latchkey.SystemHealth) { h.Database.Up = false },
		"refuses changes": func(h *latchkey.SystemHealth) { h.Database.Writable = false },
		"too late":        func(h *latchkey.SystemHealth) { h.Database.Lag = latchkey.PerMilli(1001) },
		"by its share":    func(h *latchkey.SystemHealth) { h.Ratelimits.Reachable = false },
		"node B": func(h *latchkey.SystemHealth) {
			h.Nodes = append(h.Nodes, latchkey.SystemNode{NodeID: "B", Silence: latchkey.Per(time.Hour)})
		},
		"7 events":    func(h *latchkey.SystemHealth) { h.Events.Dropped = 7 },
		"almost full": func(h *latchkey.SystemHealth) { h.Disk.FreeBytes = 9 },
	} {
		h := well()
		spoil(h)
		faults := faultsOf(h)
		if len(faults) != 1 || !strings.Contains(faults[0], want) {
			t.Errorf("want %q, got %q", want, faults)
		}
	}
}
