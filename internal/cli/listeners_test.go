package cli

import (
	"net"
	"testing"
)

// TestExposedAddressesAreThoseOfTheAPIAndTheDashboard: root keys arrive at both.
func TestExposedAddressesAreThoseOfTheAPIAndTheDashboard(t *testing.T) {
	on := func(address string) net.Listener {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	here, everywhere := on("127.0.0.1:0"), on("0.0.0.0:0")
	for want, l := range map[string]listeners{
		"":                         {api: here, metrics: everywhere},
		everywhere.Addr().String(): {api: here, dashboard: everywhere},
	} {
		if got := l.exposed(); got != want {
			t.Errorf("%q is exposed, want %q", got, want)
		}
	}
	if l := (listeners{api: everywhere, dashboard: here}); l.exposed() == "" {
		t.Error("the API isn't exposed")
	}
}
