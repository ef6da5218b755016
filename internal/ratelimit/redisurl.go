package ratelimit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// The errors of a URL have no details, because these quote the URL, which can contain
// a password.
var (
	errURL = errors.New("rate limits: the URL of Redis can't be read; it must look like " +
		"redis://user:password@host:port/0, with special characters percent-encoded")
	errOpen = errors.New("rate limits: Redis can't be used")
)

// optionsOf parses a URL and sets the timeouts. It disables retries, because a script
// must not run twice.
func optionsOf(where string, roundTripTimeout time.Duration) (rueidis.ClientOption, error) {
	if err := otherForm(where); err != nil {
		return rueidis.ClientOption{}, err
	}
	first, others := addresses(where)
	options, err := rueidis.ParseURL(first)
	if err != nil {
		return options, errURL
	}
	if err := setCertificates(options.TLSConfig, first); err != nil {
		return options, err
	}
	for _, addr := range others {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(addr, "6379")
		}
		options.InitAddress = append(options.InitAddress, addr)
	}
	options.DisableRetry = true
	options.DisableCache = true
	// the pause between pings on an idle connection
	options.Dialer.KeepAlive = roundTripTimeout
	options.ConnWriteTimeout = roundTripTimeout
	// One connection to each server, on which calls are pipelined. So calls use the
	// connection that the probe has tested.
	options.PipelineMultiplex = -1
	options.Sentinel.Dialer = options.Dialer
	options.Sentinel.TLSConfig = options.TLSConfig
	options.Sentinel.TopologyRefreshInterval = sentinelEvery
	return options, nil
}

// otherForm returns an error with the right form for schemes that other clients know.
func otherForm(where string) error {
	scheme, _, _ := strings.Cut(where, "://")
	switch strings.ToLower(scheme) {
	case "sentinel", "redis-sentinel", "redis+sentinel", "rediss+sentinel", "rediss-sentinel":
		return errors.New("rate limits: the URL of sentinels must look like " +
			"redis://user:password@host:26379,host:26379/0?master_set=name")
	case "cluster", "redis-cluster", "redis+cluster", "rediss+cluster", "rediss-cluster":
		return errors.New("rate limits: the URL of a cluster must look like " +
			"redis://user:password@host:6379,host:6379")
	}
	return nil
}

// setCertificates adds the files that the parameters ca, cert and key of a URL name: who
// signs the server's certificate, and the client's certificate with its key.
func setCertificates(config *tls.Config, text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errURL
	}
	q := u.Query()
	if !q.Has("ca") && !q.Has("cert") && !q.Has("key") {
		return nil
	}
	if config == nil {
		return errors.New("rate limits: ca, cert and key in the URL of Redis need rediss://")
	}
	if q.Has("ca") {
		pem, err := os.ReadFile(q.Get("ca"))
		if err != nil {
			return fmt.Errorf("rate limits: ca in the URL of Redis: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("rate limits: ca in the URL of Redis: the file has no certificate " +
				"in PEM form")
		}
	}
	if q.Has("cert") || q.Has("key") {
		pair, err := tls.LoadX509KeyPair(q.Get("cert"), q.Get("key"))
		if err != nil {
			return fmt.Errorf("rate limits: cert and key in the URL of Redis: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// addresses splits a URL with several addresses, redis://user@a:1,b:2/0, into
// one with the first and the list of the others.
func addresses(where string) (first string, others []string) {
	scheme, rest, _ := strings.Cut(where, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	hosts := rest[:end]
	if scheme == "unix" {
		return where, nil
	}
	user := strings.LastIndex(hosts, "@") + 1
	list := strings.Split(hosts[user:], ",")
	return scheme + "://" + hosts[:user] + list[0] + rest[end:], list[1:]
}
