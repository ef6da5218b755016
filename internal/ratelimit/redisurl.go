package ratelimit

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// What goes wrong with a URL is not told in detail, because the details quote
// it, and it may hold a password.
var (
	errURL = errors.New("rate limits: the URL of Redis can't be read; it must look like " +
		"redis://user:password@host:port/0, with special characters percent-encoded")
	errOpen = errors.New("rate limits: Redis can't be used")
)

// optionsOf reads a URL, for a server that answers within roundTripTimeout. A script must not be
// repeated, so nothing is.
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
	// the pause between pings on a connection that is silent
	options.Dialer.KeepAlive = roundTripTimeout
	options.ConnWriteTimeout = roundTripTimeout
	// One connection to each server, on which calls are pipelined: the one that
	// the probe finds working is the one that is used next.
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
