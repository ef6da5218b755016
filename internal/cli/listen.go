package cli

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// limitListener accepts at most max connections at a time. It refuses the others with a
// response that says so, instead of letting them wait.
type limitListener struct {
	net.Listener
	max      int64
	silent   bool // refuses without a response, because clients expect TLS
	log      *slog.Logger
	open     atomic.Int64
	refusing atomic.Int64 // responses in progress
	warned   atomic.Int64 // when refusals were last logged, in unix seconds
}

// fullResponse is the response to connections beyond the limit.
const fullResponse = "HTTP/1.1 503 Service Unavailable\r\n" +
	"Content-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" +
	`{"meta":{"requestId":"req_none"},"error":{"title":"Service Unavailable","detail":` +
	`"This node has as many connections as it accepts. Send the request again in a second.",` +
	`"status":503,"type":"https://unkey.com/docs/errors/unkey/application/service_unavailable"}}`

// Accept returns the next connection that is within the limit.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn := accepted.(streamConn)
		if l.open.Add(1) <= l.max {
			release := sync.OnceFunc(func() { l.open.Add(-1) })
			return &limitedConn{streamConn: conn, release: release}, nil
		}
		l.open.Add(-1)
		l.refuse(conn)
	}
}

// refuse closes a connection, after the response if few others are getting theirs.
func (l *limitListener) refuse(conn streamConn) {
	const atOnce, warnEvery = 64, 10 // connections, seconds
	now := time.Now().Unix()
	if last := l.warned.Load(); now-last >= warnEvery && l.warned.CompareAndSwap(last, now) {
		l.log.Warn("connections are refused, because as many as --max-connections are open",
			"max", l.max)
	}
	if l.silent || l.refusing.Load() >= atOnce {
		_ = conn.Close()
		return
	}
	l.refusing.Add(1)
	go func() {
		defer l.refusing.Add(-1)
		sendRefusal(conn)
	}()
}

// sendRefusal sends the response and closes the connection. It first reads the request:
// to close with unread bytes would reset the connection before the response arrives.
func sendRefusal(conn streamConn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(conn, fullResponse); err != nil {
		return
	}
	_ = conn.CloseWrite()
	_, _ = io.CopyN(io.Discard, conn, 64<<10)
}

// streamConn is a TCP connection or one of a Unix socket. The server half-closes connections.
type streamConn interface {
	net.Conn
	CloseWrite() error
}

// limitedConn makes room for another connection when it is closed.
type limitedConn struct {
	streamConn
	release func()
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.streamConn.Close()
}

// RemoteAddr returns the address of the peer. A program that connects to a Unix socket has
// the address of this machine, so that it can be a trusted proxy.
func (c *limitedConn) RemoteAddr() net.Addr {
	if addr, is := c.streamConn.RemoteAddr().(*net.TCPAddr); is {
		return addr
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
}

// certificate is a certificate with its private key in files. Whoever renews it replaces
// the files; the service notices within a second.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed [2]time.Time // of the files when they were loaded
	checked time.Time    // when the files were last looked at
}

// openCertificate loads a certificate.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.reload(time.Now()); err != nil {
		return nil, fmt.Errorf("TLS certificate: %w", err)
	}
	return c, nil
}

// get returns the certificate for a handshake. If the new files can't be used, it keeps
// the old certificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.checked) < time.Second {
		return c.loaded, nil
	}
	switch reloaded, err := c.reload(now); {
	case err != nil:
		c.log.Warn("the TLS certificate could not be reloaded; the old one is still used", "error", err)
	case reloaded:
		c.log.Info("reloaded the TLS certificate", "file", c.certFile)
	}
	return c.loaded, nil
}

// reload loads the files if they have changed.
func (c *certificate) reload(now time.Time) (reloaded bool, err error) {
	c.checked = now
	var changed [2]time.Time
	for i, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return false, err
		}
		changed[i] = info.ModTime()
	}
	if c.loaded != nil && changed == c.changed {
		return false, nil
	}
	loaded, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, err
	}
	c.loaded, c.changed = &loaded, changed
	return true, nil
}
