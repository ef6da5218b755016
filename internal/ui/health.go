package ui

import (
	"fmt"
	"strconv"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// littleDisk is the part of a file system that is free when it is time to look.
const littleDisk = .1

// healthView is what the page of the service's health shows.
type healthView struct {
	latchkey.SystemHealth
	Faults []string // what needs somebody, the worst first; none if all is well
	Parts  []healthPart
	Up     string // how long the node has run
	Shared bool   // there can be several nodes
}

// healthPart is one of the things that the service stands on.
type healthPart struct {
	Name  string
	State pill
	Text  string
}

// health shows how the service is.
func (v *visit) health() error {
	h, err := v.client.System.Health(v.ctx())
	if err != nil {
		return err
	}
	view := healthView{
		SystemHealth: h, Faults: faultsOf(&h), Parts: partsOf(&h, v.Now()),
		Up: span(max(time.Second, v.Now().Sub(h.StartedAt.Time))), Shared: h.Database.Kind != "sqlite",
	}
	return v.show("health", page{Title: "Health", Section: "/status", Data: view})
}

// faultsOf says what isn't as it should be.
func faultsOf(h *latchkey.SystemHealth) (faults []string) {
	note := func(wrong bool, text string) {
		if wrong {
			faults = append(faults, text)
		}
	}
	note(!h.Ready, "This node takes no requests: "+sentence(h.Reason))
	note(!h.Database.Up, "The database doesn’t answer.")
	note(h.Database.Up && !h.Database.Writable, "The database refuses changes.")
	note(late(h), "Changes of other nodes are heard too late, so each key is read from the database.")
	note(!h.Ratelimits.Reachable, "The counters of rate limits can’t be reached, so each node "+
		"decides by its share.")
	for _, n := range h.Nodes {
		note(!n.Alive, "The node "+n.NodeID+" was last heard "+span(duringOf(n.Silence))+" ago.")
	}
	if e := h.Events; e != nil {
		note(e.Dropped > 0, number(e.Dropped)+" events were lost since the node started.")
	}
	note(fullDisk(h), "The disk is almost full.")
	return faults
}

func late(h *latchkey.SystemHealth) bool {
	return h.Database.MaxLag.Milliseconds() > 0 &&
		h.Database.Lag.Milliseconds() > h.Database.MaxLag.Milliseconds()
}

func fullDisk(h *latchkey.SystemHealth) bool {
	return h.Disk != nil && float64(h.Disk.FreeBytes) < littleDisk*float64(h.Disk.TotalBytes)
}

func duringOf(d latchkey.Duration) time.Duration {
	return time.Duration(d.Milliseconds()) * time.Millisecond
}

// partsOf says how each thing is that the service stands on.
func partsOf(h *latchkey.SystemHealth, now time.Time) []healthPart {
	state := func(well bool, good, bad string) pill {
		if well {
			return pill{good, "ok"}
		}
		return pill{bad, "bad"}
	}
	kind := map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"}[h.Database.Kind]
	parts := []healthPart{
		{kind, state(h.Database.Up && h.Database.Writable, "Answers", "Fails"),
			"read in " + number(h.Database.Latency.Milliseconds()) + " ms"},
		{"Rate limits", state(h.Ratelimits.Reachable, "Counted", "Apart"),
			h.Ratelimits.Mode + ", counted in " + h.Ratelimits.Counter},
	}
	if e := h.Events; e != nil {
		parts = append(parts, healthPart{"Events", state(e.Dropped == 0, "None lost", "Lost some"),
			number(e.Written) + " stored, " + size(e.WaitingBytes) + " waiting"})
	} else {
		parts = append(parts, healthPart{"Events", pill{"Off", "off"},
			"start with --events on to see who uses what"})
	}
	if d := h.Disk; d != nil {
		parts = append(parts, healthPart{
			"Disk", state(!fullDisk(h), percentOf(d.FreeBytes, d.TotalBytes)+" free", "Almost full"),
			size(d.FreeBytes) + " of " + size(d.TotalBytes) + " left",
		})
	}
	return append(parts, backupPart(h.Backup, now))
}

func backupPart(b *latchkey.SystemBackup, now time.Time) healthPart {
	switch {
	case b == nil:
		return healthPart{"Backups", pill{"Off", "off"}, "none are made by the service itself"}
	case b.LastAt.IsZero():
		return healthPart{"Backups", pill{"None yet", "warn"}, "the first one is on its way"}
	}
	return healthPart{"Backups", pill{"On", "ok"}, "the newest is from " + ago(b.LastAt.Time, now)}
}

// size returns a number of bytes in its largest unit.
func size(n int64) string {
	value, unit := float64(n), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, u
	}
	decimals := 0
	if value < 10 && unit != "B" {
		decimals = 1
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + narrow + unit
}

func percentOf(part, whole int64) string {
	return fmt.Sprintf("%.0f", 100*float64(part)/max(1, float64(whole))) + narrow + "%"
}
