package latchkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config says which service a [Client] calls and as whom.
type Config struct {
	// BaseURL is where the service is, without /v2; a path prefix is kept.
	BaseURL string
	// RootKey is sent with every request.
	RootKey string
	// HTTPClient sends the requests; by default one with a timeout of 30 seconds.
	HTTPClient *http.Client
}

// Client calls the operations of a service. It is safe for concurrent use.
type Client struct {
	APIs        APIs
	Keys        Keys
	Identities  Identities
	Permissions Permissions
	Ratelimits  Ratelimits
	Analytics   Analytics
	Workspaces  Workspaces
	RootKeys    RootKeys
	Migrations  Migrations
	AuditLogs   AuditLogs

	base    string
	rootKey string
	http    *http.Client
}

// New returns a client for the service that cfg names, or an error if cfg can't work.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("latchkey: BaseURL %q is not an http or https URL", cfg.BaseURL)
	}
	if strings.TrimSpace(cfg.RootKey) != cfg.RootKey || strings.ContainsAny(cfg.RootKey, "\r\n") {
		return nil, errors.New("latchkey: RootKey has white space around it or in it")
	}
	c := &Client{base: strings.TrimRight(cfg.BaseURL, "/"), rootKey: cfg.RootKey, http: cfg.HTTPClient}
	if c.http == nil {
		c.http = &http.Client{Timeout: 30 * time.Second}
	}
	c.APIs, c.Keys, c.Identities, c.Permissions = APIs{c}, Keys{c}, Identities{c}, Permissions{c}
	c.Ratelimits, c.Analytics, c.Workspaces = Ratelimits{c}, Analytics{c}, Workspaces{c}
	c.RootKeys, c.Migrations, c.AuditLogs = RootKeys{c}, Migrations{c}, AuditLogs{c}
	return c, nil
}

// Call sends any operation by its name and returns the data of the answer as it
// came, with the pagination of a list. It is the way to operations that a
// client does not know yet.
func (c *Client) Call(ctx context.Context, operation string, request any) (json.RawMessage, *Pagination, error) {
	var r reply[json.RawMessage]
	err := c.send(ctx, operation, request, &r)
	return r.Data, r.Pagination, err
}

// reply is the envelope of every answer.
type reply[T any] struct {
	Meta struct {
		RequestID string `json:"requestId"`
	} `json:"meta"`
	Data       T           `json:"data"`
	Pagination *Pagination `json:"pagination"`
	Error      *problem    `json:"error"`
}

// problem is the error part of the envelope.
type problem struct {
	Title  string  `json:"title"`
	Detail string  `json:"detail"`
	Status int     `json:"status"`
	Type   string  `json:"type"`
	Errors []Fault `json:"errors"`
}

// call sends an operation that answers with data.
func call[T any](ctx context.Context, c *Client, operation string, request any) (T, error) {
	var r reply[*T]
	if err := c.send(ctx, operation, request, &r); err != nil {
		return *new(T), err
	}
	if r.Data == nil {
		return *new(T), fmt.Errorf("latchkey: %s: the answer has no data; is %s a Latchkey service?", operation, c.base)
	}
	return *r.Data, nil
}

// list sends an operation that answers with one page.
func list[T any](ctx context.Context, c *Client, operation string, request any) (Page[T], error) {
	var r reply[[]T]
	if err := c.send(ctx, operation, request, &r); err != nil {
		return Page[T]{}, err
	}
	if r.Data == nil || r.Pagination == nil {
		return Page[T]{}, fmt.Errorf("latchkey: %s: the answer is not a page; is %s a Latchkey service?", operation, c.base)
	}
	return Page[T]{Data: r.Data, Pagination: *r.Pagination}, nil
}

// do sends an operation that has nothing to report but success.
func do(ctx context.Context, c *Client, operation string, request any) error {
	return c.send(ctx, operation, request, &reply[json.RawMessage]{})
}

func (c *Client) send(ctx context.Context, operation string, request, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("latchkey: %s: request: %w", operation, err)
	}
	method := http.MethodPost
	if operation == "liveness" {
		method, body = http.MethodGet, nil
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/v2/"+operation, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("latchkey: %s: %w", operation, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	if c.rootKey != "" {
		req.Header.Set("Authorization", "Bearer "+c.rootKey)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("latchkey: %s: %w", operation, err)
	}
	defer res.Body.Close()
	return receive(operation, res, into)
}

// receive reads an answer into the envelope, or makes the error it stands for.
func receive(operation string, res *http.Response, into any) error {
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("latchkey: %s: reading the answer: %w", operation, err)
	}
	if res.StatusCode != http.StatusOK {
		return failure(res, text)
	}
	if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); media != "application/json" {
		return fmt.Errorf("latchkey: %s: the answer is %q, not application/json", operation, media)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("latchkey: %s: the answer can't be read: %w", operation, err)
	}
	return nil
}

// failure makes an Error of whatever a service sent with a status other than 200.
func failure(res *http.Response, text []byte) *Error {
	e := &Error{Status: res.StatusCode, Title: http.StatusText(res.StatusCode), Attempts: 1}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	var r reply[json.RawMessage]
	if json.Unmarshal(text, &r) != nil || r.Error == nil {
		e.Detail = "the answer is not Latchkey's: " + string(text[:min(len(text), 200)])
		return e
	}
	e.Type, e.Title, e.Detail = r.Error.Type, r.Error.Title, r.Error.Detail
	e.Faults, e.RequestID = r.Error.Errors, r.Meta.RequestID
	return e
}
