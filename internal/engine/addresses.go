package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// networkList returns the stored form of addresses and CIDR blocks: normalized,
// distinct, separated by commas.
func networkList(entries []string) (string, error) {
	var list []string
	for _, entry := range entries {
		text, ok := networkText(entry)
		if !ok {
			return "", invalid(latchkey.Fault{
				Location: "/properties/ipWhitelist/items",
				Message:  fmt.Sprintf("%q is neither an IP address nor a CIDR block", entry),
				Fix:      "Send entries such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32.",
			})
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ","), nil
}

// networkText returns the normal form of an address or a CIDR block: the
// shortest spelling, a block with its first address, and IPv4 not mapped into
// IPv6, as callers' addresses are. An address with a zone is meaningful on one
// machine only and is invalid.
func networkText(text string) (string, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().String(), addr.Zone() == ""
	}
	block, err := netip.ParsePrefix(text)
	if addr := block.Addr(); addr.Is4In6() && block.Bits() >= 96 {
		block = netip.PrefixFrom(addr.Unmap(), block.Bits()-96)
	}
	return block.Masked().String(), err == nil
}

// parsePrefixes parses a list of addresses and CIDR blocks separated by commas.
func parsePrefixes(list string) ([]netip.Prefix, error) {
	if list == "" {
		return nil, nil
	}
	var prefixes []netip.Prefix
	for _, text := range strings.Split(list, ",") {
		p, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// parsePrefix parses an address or a CIDR block.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return p.Masked(), nil
}

// containsAddress reports whether one of the blocks contains the address.
func containsAddress(allowedIPs []netip.Prefix, remoteIP string) bool {
	addr, err := netip.ParseAddr(remoteIP)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(allowedIPs, func(p netip.Prefix) bool { return p.Contains(addr) })
}
