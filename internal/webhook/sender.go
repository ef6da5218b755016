package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

const (
	connectTimeout = 5 * time.Second
	// Timeout is how long an attempt takes at most, from the name to the end of the response.
	Timeout = 15 * time.Second

	maxHeaders = 16 << 10 // bytes of a response that are read
	maxBody    = 4 << 10
)

// Sender sends messages. Its connections are shared by all receivers of one host only.
type Sender struct {
	networks []netip.Prefix
	client   http.Client
}

// NewSender returns a sender that also calls addresses in these networks, which are not on
// the public internet. The TLS configuration is nil for the default.
func NewSender(networks []netip.Prefix, config *tls.Config) *Sender {
	s := &Sender{networks: networks}
	dialer := &net.Dialer{Timeout: connectTimeout, Control: s.control}
	s.client = http.Client{
		Timeout: Timeout,
		// no Proxy: the addresses that it connects to would not be checked here
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: config.Clone(),
			TLSHandshakeTimeout: connectTimeout, MaxResponseHeaderBytes: maxHeaders,
			MaxIdleConns: 100, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// Close closes connections that are not in use.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// CheckURL returns an error unless a text is the URL of a receiver: https, a host, no user
// and no fragment. An address in place of a name is checked too.
func (s *Sender) CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return errors.New("must be an absolute https URL without user and fragment")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("must have a port between 1 and 65535, or none")
		}
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil // a name: what it resolves to counts when it is called
	}
	if s.permit(addr) != nil {
		return errors.New("is " + notPublic)
	}
	return nil
}

// Message is what is sent.
type Message struct {
	ID      string   // the same each time the message is sent
	URL     string   // of the receiver
	Secrets []string // that sign it
	Body    []byte   // JSON
}

// Send sends a message once and returns the status of the response, 0 without one. The error
// is nil if the status is 2xx. It has no part of the response's body, and names no URL.
func (s *Sender) Send(ctx context.Context, m Message, now time.Time) (status int, err error) {
	signature, err := Sign(m.Secrets, m.ID, now.Unix(), m.Body)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return 0, errors.New("the URL can't be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Latchkey-Webhooks")
	r.Header["webhook-id"] = []string{m.ID}
	r.Header["webhook-timestamp"] = []string{strconv.FormatInt(now.Unix(), 10)}
	r.Header["webhook-signature"] = []string{signature}
	response, err := s.client.Do(r)
	if err != nil {
		return 0, reason(err)
	}
	defer response.Body.Close()
	// A connection whose response is short can be used again.
	_, _ = io.CopyN(io.Discard, response.Body, maxBody)
	switch {
	case response.StatusCode/100 == 2:
		return response.StatusCode, nil
	case response.StatusCode/100 == 3:
		return response.StatusCode, errors.New("the receiver redirects, which is not followed: " +
			"set the URL that it redirects to")
	}
	return response.StatusCode, fmt.Errorf("the receiver responded with status %d",
		response.StatusCode)
}

// reason returns an error for whoever has the webhook. It has neither the URL, which can have
// a secret of the receiver, nor an address that its name leads to, nor what the receiver sent
// in place of a response.
func reason(err error) error {
	var failed *url.Error
	var address *AddressError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.As(err, &address):
		return address
	case errors.As(err, &name):
		return errors.New("the host of the URL can't be resolved")
	case errors.As(err, &failed) && failed.Timeout():
		return fmt.Errorf("no response within %v", Timeout)
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &network) && network.Op == "dial":
		return errors.New("the receiver refuses connections or can't be reached")
	case errors.As(err, &network) && network.Op == "remote error": // an alert of TLS
		return fmt.Errorf("the receiver refuses the connection: %w", network.Err)
	}
	return errors.New("the receiver ended the connection, or what it sent is no response of HTTPS")
}

// delays are the times between attempts.
var delays = [...]time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour,
}

// MaxAttempts is how often a message is sent at most, over about 28 hours.
const MaxAttempts = len(delays) + 1

// Delay returns how long to wait after so many failed attempts, at least 1: up to a fifth
// more or less than the usual time, so that messages that failed together don't return
// together. It reports false after the last attempt.
func Delay(attempts int) (time.Duration, bool) {
	if attempts >= MaxAttempts {
		return 0, false
	}
	usual := delays[attempts-1]
	return usual*4/5 + rand.N(usual*2/5), true
}
