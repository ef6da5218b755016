package latchkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// UnkeyCloud is the BaseURL of Unkey's own service, which this client speaks
// with as well.
const UnkeyCloud = "https://api.unkey.com"

// Config says which service a [Client] calls, as whom and how patiently.
type Config struct {
	// BaseURL is where the service is, without /v2; a path prefix is kept.
	BaseURL string
	// RootKey is sent with every call. It is required unless RootKeyFunc is set.
	RootKey string
	// RootKeyFunc returns the root key of each call, instead of RootKey. It is
	// called by many goroutines at once and should cache what it finds. With ""
	// the call is sent without a root key, which only Liveness accepts.
	RootKeyFunc func(ctx context.Context) (string, error)
	// HTTPClient sends the requests; by default one that keeps many connections.
	// Whatever its CheckRedirect says, redirects are not followed: they would
	// carry the root key to where nobody meant it to go.
	HTTPClient *http.Client
	// Timeout bounds each attempt: 10 seconds by default, none if negative. A
	// Transport given here is not bounded by default.
	Timeout time.Duration
	// Retry says when a call is sent again; the zero value does so carefully.
	Retry RetryPolicy
	// Log is told of every attempt, at level debug; nil for none. Neither root
	// keys nor keys nor anything else of a request or an answer is in it.
	Log *slog.Logger
	// Transport carries the calls in place of HTTP. BaseURL and HTTPClient must
	// be left out then.
	Transport Transport
}

// Client calls the operations of a service. It is safe for concurrent use and
// needs no closing.
type Client struct {
	APIs        APIs        // sets of keys
	Keys        Keys        // to make, change and verify them
	Identities  Identities  // who keys belong to
	Permissions Permissions // and roles
	Ratelimits  Ratelimits  // those that belong to no key, and overrides
	Analytics   Analytics   // what happened
	Workspaces  Workspaces  // tenants; for the operator
	RootKeys    RootKeys    // keys to the API itself
	Migrations  Migrations  // from other systems
	AuditLogs   AuditLogs   // who changed what

	transport  Transport
	rootKey    atomic.Pointer[rootKey] // nil to ask askRootKey
	askRootKey func(ctx context.Context) (string, error)
	defaults   callOptions
	honours    honours
	log        *slog.Logger
}

// New returns a client for the service that cfg names, or an error if cfg can't
// work. It sends nothing yet.
func New(cfg Config) (*Client, error) {
	c := &Client{transport: cfg.Transport, askRootKey: cfg.RootKeyFunc, log: cfg.Log}
	c.defaults = callOptions{timeout: cfg.Timeout, retry: cfg.Retry.filled()}
	if err := c.setTransport(cfg); err != nil {
		return nil, err
	}
	if err := c.setCredentials(cfg); err != nil {
		return nil, err
	}
	c.APIs, c.Keys, c.Identities, c.Permissions = APIs{c}, Keys{c}, Identities{c}, Permissions{c}
	c.Ratelimits, c.Analytics, c.Workspaces = Ratelimits{c}, Analytics{c}, Workspaces{c}
	c.RootKeys, c.Migrations, c.AuditLogs = RootKeys{c}, Migrations{c}, AuditLogs{c}
	return c, nil
}

// setTransport makes the client speak HTTP unless it was given another way.
func (c *Client) setTransport(cfg Config) error {
	if cfg.Transport != nil {
		c.honours.state.Store(ignored) // until an answer says otherwise
		if cfg.BaseURL != "" || cfg.HTTPClient != nil {
			return errors.New("latchkey: BaseURL and HTTPClient have no use beside a Transport")
		}
		return nil
	}
	if err := checkBaseURL(cfg.BaseURL); err != nil {
		return err
	}
	if cfg.Timeout == 0 {
		c.defaults.timeout = 10 * time.Second
	}
	c.transport = newHTTPTransport(strings.TrimRight(cfg.BaseURL, "/"), cfg.HTTPClient, &c.honours)
	return nil
}

// checkBaseURL does not repeat the URL in its error, for people mix it up with
// their root key.
func checkBaseURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("latchkey: BaseURL is empty: set it to the URL of the service, such as http://127.0.0.1:7070")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("latchkey: BaseURL is not an http or https URL such as http://127.0.0.1:7070")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("latchkey: BaseURL has more than scheme, host and path")
	}
	return nil
}

func (c *Client) setCredentials(cfg Config) error {
	if cfg.RootKeyFunc != nil {
		if cfg.RootKey != "" {
			return errors.New("latchkey: RootKey and RootKeyFunc are both given")
		}
		return nil
	}
	if cfg.RootKey == "" {
		return errors.New("latchkey: RootKey is empty: set it, or set RootKeyFunc")
	}
	if err := checkRootKey(cfg.RootKey); err != nil {
		return fmt.Errorf("latchkey: RootKey: %w", err)
	}
	c.SetRootKey(cfg.RootKey)
	return nil
}

// rootKey is a root key that was set, and what is wrong with it.
type rootKey struct {
	text string
	err  error
}

// SetRootKey makes all calls that begin from now on use this root key, in place
// of the one before or of RootKeyFunc. If it can't be one, they say so.
func (c *Client) SetRootKey(text string) { c.rootKey.Store(&rootKey{text, checkRootKey(text)}) }

// currentRootKey returns the root key to call with. One that can't be sent is
// an error, for it would be refused further down in words that are less clear.
func (c *Client) currentRootKey(ctx context.Context) (string, error) {
	if set := c.rootKey.Load(); set != nil {
		return set.text, set.err
	}
	text, err := c.askRootKey(ctx)
	if err != nil {
		return "", err
	}
	return text, checkRootKey(text)
}

// checkRootKey refuses what no root key has: anything but visible ASCII, such
// as the line break at the end of a file.
func checkRootKey(text string) error {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return errors.New("it has white space or other characters that no root key has")
		}
	}
	return nil
}

// CloseIdleConnections closes connections that no call is using. Only programs
// that make many clients, or look for what is left behind, need it.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(*httpTransport); ok {
		t.client.CloseIdleConnections()
	}
}
