package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/latchkeyhq/latchkey/embedded"
)

// listeners are the addresses of a service.
type listeners struct {
	api       net.Listener
	metrics   net.Listener // nil if the metrics have no address of their own
	dashboard net.Listener // nil if it is at api
	tls       bool         // of api and dashboard
}

// listen opens the addresses, and warns if root keys can be read on the way to them.
func (c *serveCmd) listen(log *slog.Logger) (*listeners, error) {
	l := &listeners{tls: c.TLSCert != ""}
	var config *tls.Config
	if l.tls {
		cert, err := openCertificate(c.TLSCert, c.TLSKey, log)
		if err != nil {
			return nil, err
		}
		config = &tls.Config{GetCertificate: cert.get, NextProtos: []string{"http/1.1"}}
	}
	api, err := listenOn(c.Listen)
	if err != nil {
		return nil, err
	}
	l.api = &limitListener{Listener: api, max: c.MaxConnections, silent: l.tls, log: log}
	if l.tls {
		l.api = tls.NewListener(l.api, config)
	}
	if c.MetricsListen != "" {
		metrics, err := listenOn(c.MetricsListen)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--metrics-listen: %w", err), l.api.Close())
		}
		l.metrics = &limitListener{Listener: metrics, max: c.MaxConnections, log: log}
	}
	if c.UIListen != "" {
		dashboard, err := listenOn(c.UIListen)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("--ui-listen: %w", err)
		}
		l.dashboard = &limitListener{
			Listener: dashboard, max: c.MaxConnections, silent: l.tls, log: log,
		}
		if l.tls {
			l.dashboard = tls.NewListener(l.dashboard, config)
		}
	}
	if exposed := l.exposed(); !l.tls && exposed != "" {
		log.Warn("root keys arrive unencrypted from other machines: put a proxy in front that ends "+
			"TLS, or set --tls-cert and --tls-key", "listen", exposed)
	}
	return l, nil
}

func (l *listeners) close() {
	_ = l.api.Close() // the server has closed it already, if it ran
	for _, apart := range []net.Listener{l.metrics, l.dashboard} {
		if apart != nil {
			_ = apart.Close()
		}
	}
}

// listenOn listens on a TCP address, or on a Unix socket, such as unix:/run/latchkey.sock.
// The owner of the socket and its group can connect.
func listenOn(address string) (net.Listener, error) {
	file, is := strings.CutPrefix(address, "unix:")
	if !is {
		return net.Listen("tcp", address)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if err := removeStale(file); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", file)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(file, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes the socket of a service that was killed.
func removeStale(file string) error {
	info, err := os.Lstat(file)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil // what else is there makes listening fail
	}
	conn, err := net.Dial("unix", file)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(file)
	}
	if err == nil {
		_ = conn.Close()
	}
	return nil
}

// local reports whether only programs on this machine reach the API.
func (l *listeners) local() bool { return local(l.api) }

// exposed returns the address at which other machines reach the API or the dashboard, "" for
// none.
func (l *listeners) exposed() string {
	for _, at := range []net.Listener{l.api, l.dashboard} {
		if at != nil && !local(at) {
			return at.Addr().String()
		}
	}
	return ""
}

// local reports whether only programs on this machine reach a listener.
func local(l net.Listener) bool {
	tcp, is := l.Addr().(*net.TCPAddr)
	return !is || tcp.IP.IsLoopback()
}

// url returns the URL of the API for clients on this machine.
func (l *listeners) url() string { return urlOf(l.api.Addr(), l.tls) }

// metricsURL returns the URL of the metrics for clients on this machine, or "off".
func (l *listeners) metricsURL() string {
	switch {
	case l.metrics != nil:
		return urlOf(l.metrics.Addr(), false) + "/metrics"
	case l.local():
		return l.url() + "/metrics"
	}
	return "off"
}

// dashboardURL returns the URL of the dashboard for browsers on this machine, or "off".
func (l *listeners) dashboardURL(service *embedded.Service) string {
	switch {
	case service.Dashboard == nil:
		return "off"
	case l.dashboard != nil:
		return urlOf(l.dashboard.Addr(), l.tls)
	}
	return l.url()
}

func urlOf(addr net.Addr, tls bool) string {
	tcp, is := addr.(*net.TCPAddr)
	if !is {
		return socketScheme + addr.String()
	}
	scheme, host := "http", tcp.String()
	if tls {
		scheme = "https"
	}
	if tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return scheme + "://" + host
}

// openMode is a secret that other users of the machine can read, and the command that helps.
type openMode struct {
	path string
	mode fs.FileMode
	fix  string
}

// openModes returns the secrets of a data folder that others have access to. Windows has no
// such modes.
func openModes(dir string) []openMode {
	if runtime.GOOS == "windows" {
		return nil
	}
	var open []openMode
	for _, secret := range []struct{ name, fix string }{
		{".", "chmod 700"}, {"master.key", "chmod 600"}, {"root.key", "chmod 600"},
	} {
		path := filepath.Join(dir, secret.name)
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, openMode{path, info.Mode().Perm(), secret.fix + " " + path})
		}
	}
	return open
}

// warnOfModes warns of secrets that other users of the machine can read.
func warnOfModes(log *slog.Logger, dir string) {
	for _, m := range openModes(dir) {
		log.Warn("other users of this machine have access to secrets", "path", m.path,
			"mode", fmt.Sprintf("%04o", m.mode), "fix", m.fix)
	}
}
