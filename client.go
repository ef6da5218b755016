package latchkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// UnkeyCloud is the BaseURL of Unkey's hosted service, which this client can
// call, too.
const UnkeyCloud = "https://api.unkey.com"

// Config configures a [Client]. BaseURL and RootKey are required; everything
// else has a default.
type Config struct {
	// BaseURL is the URL of the service without /v2, such as
	// http://127.0.0.1:7070. A path prefix is kept. With http:// everybody on the
	// network path can read and use the root key and the keys, so use https:// outside
	// of a network that you trust; New logs a warning for http:// to another machine.
	BaseURL string
	// RootKey is sent with every call. It is required unless RootKeyFunc is set.
	RootKey string
	// RootKeyFunc returns the root key of each call, instead of RootKey. It is
	// called by many goroutines at once and should cache what it finds. With ""
	// the call is sent without a root key, which only Liveness accepts.
	RootKeyFunc func(ctx context.Context) (string, error)
	// HTTPClient sends the requests; by default a client with a large connection
	// pool. Redirects are never followed, whatever its CheckRedirect says, because
	// they would send the root key to another host.
	HTTPClient *http.Client
	// Timeout bounds each attempt of a call: 10 seconds by default, none if
	// negative. With a Transport the default is none.
	Timeout time.Duration
	// Retry says when a failed call is retried. The zero value is the default
	// policy; NoRetry never retries.
	Retry RetryPolicy
	// Log gets one line for each attempt, at level debug; nil for none. It never
	// gets a key, nor any other content of a request or a response. Warnings of New
	// go there too.
	Log *slog.Logger
	// Transport carries the calls instead of HTTP. BaseURL and HTTPClient must be
	// empty then.
	Transport Transport
}

// Client calls the operations of a service. It is safe for concurrent use and
// doesn't need to be closed.
type Client struct {
	APIs        APIs        // groups of keys and their settings
	Keys        Keys        // create, change, verify and revoke keys
	Identities  Identities  // the owners of keys: users, customers, services
	Permissions Permissions // permissions and roles
	Ratelimits  Ratelimits  // rate limits that belong to no key, namespaces, overrides
	Analytics   Analytics   // queries over past verifications and rate limits
	Usage       Usage       // what happened to keys and rate limits, in sums and one by one
	System      System      // the service itself; for the operator only
	Workspaces  Workspaces  // tenants; most operations are for the operator only
	RootKeys    RootKeys    // keys to the API itself
	Migrations  Migrations  // imports from other systems
	AuditLogs   AuditLogs   // the record of all changes
	Portals     Portals     // pages for your end users, and their sessions
	Webhooks    Webhooks    // where events are sent
	Self        Self        // what the holder of a key can do with it
	Budgets     Budgets     // amounts that calls share, reservations, and statements

	transport   Transport
	rootKey     atomic.Pointer[rootKey] // nil to ask askRootKey
	askRootKey  func(ctx context.Context) (string, error)
	defaults    callOptions
	idempotency idempotencySupport
	log         *slog.Logger
}

// New returns a client, or an error that says what is wrong with cfg. It does
// not connect to the service.
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
	c.System = System{c}
	c.RootKeys, c.Migrations, c.AuditLogs = RootKeys{c}, Migrations{c}, AuditLogs{c}
	c.Portals, c.Webhooks, c.Usage, c.Self = Portals{c}, Webhooks{c}, Usage{c}, Self{c}
	c.Budgets = Budgets{c}
	return c, nil
}

// FromEnv is [New] with the BaseURL and the RootKey in the environment variables
// LATCHKEY_URL and LATCHKEY_ROOT_KEY. The error names the variable that is not set.
func FromEnv() (*Client, error) {
	var cfg Config
	for _, v := range []struct {
		name, is string
		into     *string
	}{
		{"LATCHKEY_URL", "the URL of the service, such as http://127.0.0.1:7070", &cfg.BaseURL},
		{"LATCHKEY_ROOT_KEY", "a root key of the service", &cfg.RootKey},
	} {
		if *v.into = os.Getenv(v.name); *v.into == "" {
			return nil, fmt.Errorf(
				"latchkey: the environment variable %s is not set: set it to %s", v.name, v.is,
			)
		}
	}
	return New(cfg)
}

// setTransport sets cfg.Transport, or HTTP where there is none.
func (c *Client) setTransport(cfg Config) error {
	if cfg.Transport != nil {
		c.idempotency.state.Store(ignored) // until a response says otherwise
		if cfg.BaseURL != "" || cfg.HTTPClient != nil {
			return errors.New("latchkey: BaseURL and HTTPClient must be empty with a Transport")
		}
		return nil
	}
	if err := checkBaseURL(cfg.BaseURL, cfg.Log); err != nil {
		return err
	}
	if cfg.Timeout == 0 {
		c.defaults.timeout = 10 * time.Second
	}
	c.transport = newHTTPTransport(strings.TrimRight(cfg.BaseURL, "/"), cfg.HTTPClient, &c.idempotency)
	return nil
}

// checkBaseURL does not repeat the URL in its error, because people mix it up
// with their root key.
func checkBaseURL(text string, log *slog.Logger) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New(
			"latchkey: BaseURL is empty: set it to the URL of the service, such as http://127.0.0.1:7070",
		)
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("latchkey: BaseURL is not an http or https URL such as http://127.0.0.1:7070")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("latchkey: BaseURL has more than scheme, host and path")
	}
	if log != nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		log.Warn("latchkey: BaseURL begins with http://, so root key and keys cross the network "+
			"unencrypted; use https://, unless you trust this network", "host", u.Host)
	}
	return nil
}

// isLoopback reports whether a host is this machine, by its name or address.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
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
	if err := CheckRootKey(cfg.RootKey); err != nil {
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

// SetRootKey makes all calls that start from now on use this root key, instead
// of Config.RootKey or Config.RootKeyFunc. If it has characters that no root key
// has, these calls fail without being sent.
func (c *Client) SetRootKey(text string) { c.rootKey.Store(&rootKey{text, CheckRootKey(text)}) }

// keyFor returns what a call authenticates with: the key of WithKey, or the root key.
func (c *Client) keyFor(ctx context.Context, o *callOptions) (string, error) {
	if o.key != "" {
		return o.key, CheckRootKey(o.key)
	}
	return c.currentRootKey(ctx)
}

// currentRootKey returns the root key to call with. One that can't be sent is an
// error here, because net/http would refuse it in words that are less clear.
func (c *Client) currentRootKey(ctx context.Context) (string, error) {
	if set := c.rootKey.Load(); set != nil {
		return set.text, set.err
	}
	text, err := c.askRootKey(ctx)
	if err != nil {
		return "", err
	}
	return text, CheckRootKey(text)
}

// CloseIdleConnections closes connections that are not in use. Only programs
// that create many clients, and tests that look for leaks, need it.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(*httpTransport); ok {
		t.client.CloseIdleConnections()
	}
}
