package testenv

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy on loopback that simulates network faults. Initially it forwards
// everything. Its methods are safe for concurrent use, and hooks can call them.
type Proxy struct {
	Addr string // host:port, for clients to connect to

	t      testing.TB
	target string
	tasks  sync.WaitGroup

	mu        sync.Mutex
	listener  net.Listener // nil while connections are refused
	links     map[*link]struct{}
	connected chan struct{} // open channel while the network is partitioned, closed otherwise
	delay     time.Duration
	hooks     [2]func([]byte) bool // by sender
}

// The two senders of a connection.
const (
	fromClient = iota
	fromServer
)

// NewProxy returns a proxy in front of the server at target, a host:port. It closes with all of
// its connections at the end of the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := freeListener()
	must(t, err)
	p := &Proxy{Addr: listener.Addr().String(), t: t, target: target, links: map[*link]struct{}{},
		connected: make(chan struct{})}
	close(p.connected)
	p.accept(listener)
	t.Cleanup(func() {
		p.Refuse()
		p.tasks.Wait()
	})
	return p
}

// Cut resets all connections. Data in transit is lost. New connections are accepted.
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

// Partition simulates a network that loses all packets. Connections stay open and new ones are
// accepted, but no data arrives, and neither does the close of a connection. Both sides keep
// retransmitting, so the data arrives after Heal.
func (p *Proxy) Partition() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.connected:
		p.connected = make(chan struct{})
	default:
	}
}

// Heal ends Partition.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.connected:
	default:
		close(p.connected)
	}
}

// Retarget makes new connections go to another server, a host:port, as when an address moves.
// Those that are open stay where they are until Cut.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// server returns where new connections go.
func (p *Proxy) server() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

// Refuse resets all connections and stops listening, so new connections are refused.
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

// Delay delays all data sent from now on by d in each direction, so a round trip takes 2d longer.
// It does not delay connecting.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// OnClient sets a hook that gets the data of clients before it is forwarded, in chunks as it
// arrives. If the hook returns true, the connection is cut and the server does not get that chunk.
// Connections call the hook concurrently. It must not keep the slice. Nil removes the hook.
func (p *Proxy) OnClient(hook func(sent []byte) (cut bool)) { p.setHook(fromClient, hook) }

// OnServer is OnClient for the data of the server. If the hook cuts the response to a COMMIT, the
// client cannot know whether the transaction was committed.
func (p *Proxy) OnServer(hook func(sent []byte) (cut bool)) { p.setHook(fromServer, hook) }

func (p *Proxy) setHook(direction int, hook func([]byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks[direction] = hook
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

// open starts a link for a connection, or resets it if Refuse was called after it was accepted.
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

// rules returns the hook and the delay for data from one sender.
func (p *Proxy) rules(from int) (hook func([]byte) bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hooks[from], p.delay
}

// whenConnected returns a channel that is closed while the network is not partitioned.
func (p *Proxy) whenConnected() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connected
}

// remove removes a link that has ended.
func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
