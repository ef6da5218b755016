package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// statusCmd shows whether the service works.
type statusCmd struct{}

// Help is the manual of latchkey status.
func (statusCmd) Help() string {
	return `Exit status 0 if the service is ready and knows the root key, else 4 or 5. With the root
key of the operator it also shows nodes, database, rate limits, events, disk and backups.`
}

// state is what latchkey status prints.
type state struct {
	URL       string `json:"url"`
	Ready     bool   `json:"ready"`
	LatencyMs int64  `json:"latencyMs"`
	Workspace string `json:"workspace,omitempty"`
	RootKey   string `json:"rootKey,omitempty"`
	Version   string `json:"version"`
	// Health is absent unless the root key is the operator's.
	Health *latchkey.SystemHealth `json:"health,omitempty"`
}

// Run asks the service.
func (statusCmd) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	s := state{URL: a.target.URL, Version: version()}
	begun := time.Now()
	ready, err := isReady(ctx, s.URL)
	if err != nil {
		return err
	}
	s.Ready, s.LatencyMs = ready, time.Since(begun).Milliseconds()
	me, wrong := client.RootKeys.Whoami(ctx)
	if wrong == nil {
		s.Workspace, s.RootKey = me.WorkspaceName, cmp.Or(me.Name, me.RootKeyID)
	}
	if health, err := client.System.Health(ctx); err == nil {
		s.Health = &health
	}
	if !ready {
		wrong = errors.Join(errNotReady, wrong)
	}
	return errors.Join(a.printState(s), wrong)
}

// errNotReady is what a service is that answers but can't do its work.
var errNotReady = errors.New("the service is not ready: it is starting or stopping, or its " +
	"database is unavailable; its log says more")

func (a *app) printState(s state) error {
	if a.JSON {
		return a.printJSON(s)
	}
	lines := []line{
		{"Service", s.URL}, {"Ready", yes(s.Ready)}, {"Workspace", s.Workspace},
		{"Root key", s.RootKey}, {"This program", s.Version},
	}
	if s.Health != nil {
		lines = append(lines, healthLines(s.Health)...)
	}
	return printLines(a, lines)
}

// healthLines are what the operator sees of the service.
func healthLines(h *latchkey.SystemHealth) []line {
	alive := 0
	for _, node := range h.Nodes {
		if node.Alive {
			alive++
		}
	}
	database := fmt.Sprintf("%s, responds in %v", h.Database.Kind, h.Database.Latency)
	switch {
	case !h.Database.Up:
		database = h.Database.Kind + ", doesn't respond"
	case !h.Database.Writable:
		database += ", read-only"
	}
	if h.Database.MaxLag.Milliseconds() > 0 {
		database += fmt.Sprintf(", changes read %v ago (at most %v)", h.Database.Lag,
			h.Database.MaxLag)
	}
	limits := h.Ratelimits.Counter + ", " + h.Ratelimits.Mode
	if !h.Ratelimits.Reachable {
		limits += ", unreachable: each node decides by its share"
	}
	lines := []line{
		{"Its program", h.Version + ", started " + ago(h.StartedAt)},
		{"Nodes", fmt.Sprintf("%d alive of %d", alive, len(h.Nodes))},
		{"Database", database},
		{"Rate limits", limits},
	}
	if h.Reason != "" {
		lines = append(lines, line{"Not ready", h.Reason})
	}
	if h.Events != nil {
		lines = append(lines, line{"Events", fmt.Sprintf("%d written, %d dropped, %d bytes waiting",
			h.Events.Written, h.Events.Dropped, h.Events.WaitingBytes)})
	}
	if h.Disk != nil {
		lines = append(lines, line{"Disk", fmt.Sprintf("%d MB free of %d MB",
			h.Disk.FreeBytes>>20, h.Disk.TotalBytes>>20)})
	}
	if h.Backup != nil {
		lines = append(lines, line{"Last backup", cmp.Or(ago(h.Backup.LastAt), "none yet")})
	}
	return lines
}

// isReady reports whether the service wants requests.
func isReady(ctx context.Context, url string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	base, client := reach(url)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health/ready", http.NoBody)
	if err != nil {
		return false, err
	}
	response, err := cmp.Or(client, http.DefaultClient).Do(request)
	if err != nil {
		return false, err
	}
	_, err = io.CopyN(io.Discard, response.Body, 1<<10)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return response.StatusCode == http.StatusOK, errors.Join(err, response.Body.Close())
}
