package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// statusCmd shows whether the service works.
type statusCmd struct{}

// Help is the manual of latchkey status.
func (statusCmd) Help() string {
	return `Exit status 0 if the service is ready and knows the root key, else 4 or 5.`
}

// state is what latchkey status prints.
type state struct {
	URL       string `json:"url"`
	Ready     bool   `json:"ready"`
	LatencyMs int64  `json:"latencyMs"`
	Workspace string `json:"workspace,omitempty"`
	RootKey   string `json:"rootKey,omitempty"`
	Version   string `json:"version"`
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
	return printLines(a, []line{
		{"Service", s.URL}, {"Ready", yes(s.Ready)}, {"Workspace", s.Workspace},
		{"Root key", s.RootKey}, {"This program", s.Version},
	})
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
