package ratelimit

import (
	"errors"
	"net"
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
func optionsOf(url string, roundTripTimeout time.Duration) (rueidis.ClientOption, error) {
	first, others := addresses(url)
	options, err := rueidis.ParseURL(first)
	if err != nil {
		return options, errURL
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

// addresses splits a URL with several addresses, redis://user@a:1,b:2/0, into
// one with the first and the list of the others.
func addresses(url string) (first string, others []string) {
	scheme, rest, _ := strings.Cut(url, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	hosts := rest[:end]
	if scheme == "unix" {
		return url, nil
	}
	user := strings.LastIndex(hosts, "@") + 1
	list := strings.Split(hosts[user:], ",")
	return scheme + "://" + hosts[:user] + list[0] + rest[end:], list[1:]
}
