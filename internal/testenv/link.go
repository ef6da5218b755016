package testenv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection through a proxy.
type link struct {
	proxy *Proxy
	alive context.Context // ends as soon as the link is cut

	mu   sync.Mutex
	end  context.CancelFunc
	ends [2]*net.TCPConn // by the direction that comes from it; the server's is nil until run has dialled
}

// piece is some bytes on their way. None of them mean that whoever sent it will
// send no more.
type piece struct {
	bytes []byte
	due   time.Time // when they arrive, if the network is whole then
}

// window is how many pieces can be on their way in one direction: so many that
// a delayed connection carries as much in a second as one that isn't.
const window = 1024

func newLink(p *Proxy, client *net.TCPConn) *link {
	l := &link{proxy: p}
	l.alive, l.end = context.WithCancel(context.Background())
	l.ends[fromClient] = client
	return l
}

// cut resets both ends. What is on its way is lost.
func (l *link) cut() {
	l.close(func(end *net.TCPConn) error { return errors.Join(end.SetLinger(0), end.Close()) })
}

// close ends the link, unless that was done before.
func (l *link) close(how func(*net.TCPConn) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alive.Err() != nil {
		return
	}
	l.end()
	for _, end := range l.ends {
		if end != nil {
			_ = how(end) // whatever the error is, the system has let go of it
		}
	}
}

// run carries the connection until both ends have sent all or it is cut.
func (l *link) run() {
	defer l.proxy.forget(l)
	if err := l.dial(); err != nil {
		l.cut()
		return
	}
	var tasks sync.WaitGroup
	for _, from := range []int{fromClient, fromServer} {
		pieces := make(chan piece, window)
		tasks.Go(func() { l.collect(from, pieces) })
		tasks.Go(func() { l.deliver(l.ends[1-from], pieces) })
	}
	tasks.Wait()
	l.close((*net.TCPConn).Close)
}

// dial connects to the server, when the network is whole.
func (l *link) dial() error {
	if !l.await(time.Now()) {
		return l.alive.Err()
	}
	conn, err := new(net.Dialer).DialContext(l.alive, "tcp", l.proxy.target)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alive.Err() != nil {
		return errors.Join(l.alive.Err(), conn.Close())
	}
	l.ends[fromServer] = conn.(*net.TCPConn)
	return nil
}

// collect takes what one end sends, and shows it to the hook.
func (l *link) collect(from int, pieces chan<- piece) {
	defer close(pieces)
	buffer := make([]byte, 32<<10)
	for {
		n, err := l.ends[from].Read(buffer)
		if err != nil && err != io.EOF {
			l.cut()
			return
		}
		look, delay := l.proxy.rules(from)
		if n > 0 && look != nil && look(buffer[:n]) {
			l.cut()
			return
		}
		select {
		case pieces <- piece{bytes.Clone(buffer[:n]), time.Now().Add(delay)}:
		case <-l.alive.Done():
			return
		}
		if err == io.EOF {
			return
		}
	}
}

// deliver gives the pieces to the other end, when they are due.
func (l *link) deliver(to *net.TCPConn, pieces <-chan piece) {
	for p := range pieces {
		if !l.await(p.due) {
			return
		}
		var err error
		if len(p.bytes) > 0 {
			_, err = to.Write(p.bytes)
		} else {
			err = to.CloseWrite()
		}
		if err != nil {
			l.cut()
			return
		}
	}
}

// await waits until due and then for the network to be whole. It returns false
// as soon as the link is cut.
func (l *link) await(due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.alive.Done():
		return false
	}
	select {
	case <-l.proxy.healed():
	case <-l.alive.Done():
	}
	return l.alive.Err() == nil
}
