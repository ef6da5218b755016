package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSignatureIsThatOfTheSpecification: the example of the Standard Webhooks libraries.
func TestSignatureIsThatOfTheSpecification(t *testing.T) {
	got, err := Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want || err != nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	both, err := Sign([]string{NewSecret(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if !strings.HasSuffix(both, " "+got) || err != nil {
		t.Errorf("got %q (%v), want a second signature %q", both, err, got)
	}
}

// TestOnlyPublicAddressesAreCalled: nothing inside a network is reached, however its address
// is written, unless the operator permits it.
func TestOnlyPublicAddressesAreCalled(t *testing.T) {
	s := NewSender(prefixes("10.1.0.0/16", "fd00:1::/64"), nil)
	for text, permitted := range map[string]bool{
		"93.184.215.14":          true,
		"2606:2800:21f:cb07::1":  true,
		"::ffff:93.184.215.14":   true,
		"10.1.2.3":               true, // listed
		"::ffff:10.1.2.3":        true,
		"fd00:1::7":              true,
		"10.2.0.1":               false,
		"127.0.0.1":              false,
		"127.255.255.254":        false,
		"::1":                    false,
		"::":                     false,
		"0.0.0.0":                false,
		"0.1.2.3":                false,
		"169.254.169.254":        false, // metadata of clouds
		"fd00:ec2::254":          false,
		"fe80::1":                false,
		"fe80::1%eth0":           false,
		"172.16.0.1":             false,
		"172.31.255.255":         false,
		"172.32.0.1":             true,
		"192.168.1.1":            false,
		"192.0.0.170":            false,
		"100.64.0.1":             false,
		"100.128.0.1":            true,
		"198.18.0.1":             false,
		"192.0.2.1":              false,
		"198.51.100.1":           false,
		"203.0.113.1":            false,
		"224.0.0.1":              false,
		"240.0.0.1":              false,
		"255.255.255.255":        false,
		"fc00::1":                false,
		"fec0::1":                false,
		"ff02::1":                false,
		"::ffff:127.0.0.1":       false,
		"::ffff:169.254.169.254": false,
		"::127.0.0.1":            false, // the deprecated form
		"64:ff9b::7f00:1":        false, // NAT64
		"64:ff9b:1::a00:1":       false,
		"2002:7f00:1::":          false, // 6to4
		"2001:0:4136:e378::":     false, // Teredo
		"2001:db8::1":            false,
		"100::1":                 false, // discard
		"5f00::1":                false, // segment routing
		"3fff::1":                false,
	} {
		err := s.permit(netip.MustParseAddr(text))
		if (err == nil) != permitted {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestURLsOfReceivers(t *testing.T) {
	s := NewSender(nil, nil)
	for text, valid := range map[string]bool{
		"https://example.com/hooks?token=1": true,
		"https://example.com:8443":          true,
		"https://93.184.215.14/":            true,
		"https://[2606:2800:21f:cb07::1]/":  true,
		"http://example.com/":               false,
		"ftp://example.com/":                false,
		"//example.com/":                    false,
		"https:///path":                     false,
		"https://":                          false,
		"https://user:pw@example.com/":      false,
		"https://example.com/#part":         false,
		"https://example.com:0/":            false,
		"https://example.com:99999/":        false,
		"https://127.0.0.1/":                false,
		"https://[::1]:8443/":               false,
		"https://169.254.169.254/latest":    false,
		"https://exa mple.com/":             false,
		"":                                  false,
	} {
		if err := s.CheckURL(text); (err == nil) != valid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// receiver is a server that counts requests. It is at 127.0.0.1, and its certificate is for
// example.com.
func receiver(t *testing.T, serve http.HandlerFunc) (*httptest.Server, *tls.Config) {
	t.Helper()
	server := httptest.NewTLSServer(serve)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

var loopback = prefixes("127.0.0.0/8", "::1/128")

func TestMessagesArriveSigned(t *testing.T) {
	var got *http.Request
	var body []byte
	server, config := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	s := NewSender(loopback, config)
	defer s.Close()
	secret, now := NewSecret(), time.Unix(1700000000, 0)
	status, err := s.Send(t.Context(), Message{
		ID: "evt_1", URL: server.URL + "/x", Secrets: []string{secret}, Body: []byte(`{"a":1}`),
	}, now)
	if status != 200 || err != nil {
		t.Fatal(status, err)
	}
	want, _ := Sign([]string{secret}, "evt_1", 1700000000, []byte(`{"a":1}`))
	if got.Method != "POST" || got.URL.Path != "/x" || string(body) != `{"a":1}` ||
		got.Header.Get("webhook-id") != "evt_1" ||
		got.Header.Get("webhook-timestamp") != "1700000000" ||
		got.Header.Get("webhook-signature") != want ||
		got.Header.Get("content-type") != "application/json" {
		t.Errorf("got %s %s %v %s", got.Method, got.URL, got.Header, body)
	}
}

// TestRefusedAddressesAreNotConnectedTo: what a name resolves to is checked when the
// connection is made, so a name that changes between two looks gains nothing.
func TestRefusedAddressesAreNotConnectedTo(t *testing.T) {
	reached := false
	server, config := receiver(t, func(http.ResponseWriter, *http.Request) { reached = true })
	s := NewSender(nil, config)
	defer s.Close()
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	for _, url := range []string{server.URL, "https://localhost:" + port, "https://127.1:" + port} {
		status, err := s.Send(t.Context(), Message{ID: "evt", URL: url}, time.Now())
		if err == nil || status != 0 || reached {
			t.Errorf("%s: status %d, %v", url, status, err)
		}
		if strings.Contains(err.Error(), "127.0") || strings.Contains(err.Error(), "::1") {
			t.Errorf("%s: %v names the address", url, err)
		}
		var address *AddressError
		if url == server.URL && !errors.As(err, &address) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestFailuresAreNamedWithoutTheURL(t *testing.T) {
	server, config := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirects":
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		case "/elsewhere":
			t.Error("a redirect was followed")
		case "/long":
			w.WriteHeader(http.StatusTeapot)
			for range 1000 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			t.Error("a response of 1 GB was read")
		case "/headers":
			w.Header().Set("x", strings.Repeat("x", 1<<20))
		case "/other":
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = conn.Write([]byte("SSH-2.0 geheim\r\n\r\n"))
			conn.Close()
		}
	})
	s := NewSender(loopback, config)
	defer s.Close()
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]struct {
		status int
		text   string
	}{
		server.URL + "/redirects?token=geheim": {308, "redirects"},
		server.URL + "/long?token=geheim":      {418, "418"},
		server.URL + "/headers?token=geheim":   {0, "no response"},
		server.URL + "/other?token=geheim":     {0, "no response"},
		gone.URL + "/?token=geheim":            {0, "refuses"},
		"https://name.invalid/?token=geheim":   {0, ""},
		strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/?token=geheim": {
			0, "certificate"},
	} {
		status, err := s.Send(t.Context(), Message{ID: "evt", URL: url}, time.Now())
		if err == nil || status != want.status || !strings.Contains(err.Error(), want.text) ||
			strings.Contains(err.Error(), "geheim") ||
			!strings.Contains(err.Error(), "certificate") &&
				strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %d, %v", url, status, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Send(ctx, Message{ID: "evt", URL: server.URL}, time.Now()); err == nil {
		t.Error("sent after the end")
	}
}

// TestReceiversOfAHostDontWait: those who share a host can't hold up each other.
func TestReceiversOfAHostDontWait(t *testing.T) {
	const sends = 16
	var arrived sync.WaitGroup
	arrived.Add(sends)
	server, config := receiver(t, func(http.ResponseWriter, *http.Request) {
		arrived.Done()
		arrived.Wait()
	})
	s := NewSender(loopback, config)
	defer s.Close()
	var wait sync.WaitGroup
	for range sends {
		wait.Go(func() {
			if _, err := s.Send(t.Context(), Message{ID: "evt", URL: server.URL}, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestDelaysGrowAndEnd(t *testing.T) {
	for attempts := 1; attempts < MaxAttempts; attempts++ {
		usual := delays[attempts-1]
		for range 20 {
			d, more := Delay(attempts)
			if !more || d < usual*4/5 || d >= usual*6/5 {
				t.Fatal(fmt.Sprint(attempts), d, more)
			}
		}
	}
	if _, more := Delay(MaxAttempts); more {
		t.Error("it never ends")
	}
}
