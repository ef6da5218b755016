package webhook

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// special are the networks that messages aren't sent to, because no receiver on the
// internet is there (the registries of special-purpose addresses of IANA), or because an
// address in them stands for an IPv4 address, which could be any of these.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // shared by customers of a carrier
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, with the metadata service of clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"2001::/23",       // protocol assignments, with Teredo
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
)

// global has every IPv6 address that is assigned to networks on the internet. Loopback,
// unique local, link-local, multicast and translated addresses are outside.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// public reports whether an address is one on the internet.
func public(addr netip.Addr) bool {
	if addr.Is6() && !global.Contains(addr) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// AddressError is the error of a receiver at an address that messages aren't sent to.
type AddressError struct{ Addr netip.Addr }

const notPublic = "not on the public internet; the operator can permit its network with " +
	"--webhook-networks"

// Error says how the operator permits the address. It doesn't name it: what a name leads to
// inside a network is not for whoever has the webhook.
func (e *AddressError) Error() string { return "the receiver is " + notPublic }

// control is the hook of [net.Dialer] that refuses an address right before the connection is
// made, so it doesn't matter what a name resolved to before.
func (s *Sender) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("webhook: address %q: %w", address, err)
	}
	return s.permit(to.Addr())
}

// permit returns an error for an address that is neither public nor in a permitted network.
func (s *Sender) permit(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	if public(addr) || slices.ContainsFunc(s.networks, func(p netip.Prefix) bool {
		return p.Contains(addr)
	}) {
		return nil
	}
	return &AddressError{addr}
}
