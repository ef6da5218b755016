package testenv

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server, on loopback, and does to their
// connections what networks do. At first it passes on all that it gets. Its
// methods may be called from anywhere, from hooks too.
type Proxy struct {
	Addr string // host:port, for clients to connect to

	t      testing.TB
	target string
	tasks  sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	whole    chan struct{} // closed unless the network is partitioned
	delay    time.Duration
	hooks    [2]func([]byte) bool // by the end that sends
}

// The ends of a connection, and the directions that come from them.
const (
	fromClient = iota
	fromServer
)

// NewProxy returns a proxy before the server at target, a host:port. It is gone
// when the test is over, with all of its connections.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := freeListener()
	must(t, err)
	p := &Proxy{Addr: listener.Addr().String(), t: t, target: target, links: map[*link]struct{}{}, whole: make(chan struct{})}
	close(p.whole)
	p.accept(listener)
	t.Cleanup(func() {
		p.Refuse()
		p.tasks.Wait()
	})
	return p
}

// Cut closes all connections at once, and what they were carrying is lost. New
// ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	for l := range p.links {
		l.cut()
	}
	clear(p.links)
}

// Partition has the network lose all packets: connections stay open, and new
// ones are made, but nothing that is sent from now on arrives, not even that a
// connection has been closed. The systems at both ends know nothing of it and
// keep trying, so after Heal it does arrive.
func (p *Proxy) Partition() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.whole:
		p.whole = make(chan struct{})
	default:
	}
}

// Heal ends Partition.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.whole:
	default:
		close(p.whole)
	}
}

// Refuse resets all connections, and new ones are refused: nobody listens.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		if err := p.listener.Close(); err != nil {
			p.t.Error(err)
		}
		p.listener = nil
	}
	p.cut()
}

// Accept ends Refuse.
func (p *Proxy) Accept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	listener, err := net.Listen("tcp", p.Addr)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.accept(listener)
}

func (p *Proxy) accept(listener net.Listener) {
	p.listener = listener
	p.tasks.Go(func() { p.serve(listener) })
}

// Delay has all that is sent from now on arrive d later, in each direction:
// what takes one round trip takes 2d more. To connect takes no longer.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// OnClient has look see what clients send before it is passed on, in the pieces
// in which it arrives. If it returns true the connection is cut and the server
// never gets that piece. It may be called by many connections at a time, and
// must not keep the bytes. Nil ends it.
func (p *Proxy) OnClient(look func(sent []byte) (cut bool)) { p.hook(fromClient, look) }

// OnServer is OnClient for what the server sends. Cutting at the answer to a
// COMMIT leaves a client that can't know whether its change was made.
func (p *Proxy) OnServer(look func(sent []byte) (cut bool)) { p.hook(fromServer, look) }

func (p *Proxy) hook(direction int, look func([]byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks[direction] = look
}

func (p *Proxy) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.t.Error(err)
			return
		}
		p.open(listener, conn.(*net.TCPConn))
	}
}

// open carries on a connection, unless it has been accepted just before
// connections began to be refused.
func (p *Proxy) open(listener net.Listener, client *net.TCPConn) {
	l := newLink(p, client)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != listener {
		l.cut()
		return
	}
	p.links[l] = struct{}{}
	p.tasks.Go(l.run)
}

// rules returns what holds for bytes that come from one end now.
func (p *Proxy) rules(from int) (look func([]byte) bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hooks[from], p.delay
}

// healed returns a channel that is closed as soon as the network is whole.
func (p *Proxy) healed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// forget is called when a link has ended by itself.
func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
