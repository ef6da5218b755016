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
	alive context.Context // done as soon as the link is cut

	mu   sync.Mutex
	end  context.CancelFunc
	ends [2]*net.TCPConn // by sender; the server's is nil until run has dialed
}

// chunk is data in transit. An empty chunk means that the sender has closed its side.
type chunk struct {
	bytes []byte
	due   time.Time // delivery time, unless the network is partitioned then
}

// maxChunks is the maximum number of chunks in transit in one direction. It is large enough that
// a delay does not reduce the throughput.
const maxChunks = 1024

func newLink(p *Proxy, client *net.TCPConn) *link {
	l := &link{proxy: p}
	l.alive, l.end = context.WithCancel(context.Background())
	l.ends[fromClient] = client
	return l
}

// cut resets both connections. Data in transit is lost.
func (l *link) cut() {
	l.close(func(end *net.TCPConn) error { return errors.Join(end.SetLinger(0), end.Close()) })
}

// close ends the link with how. It does nothing if the link has ended.
func (l *link) close(how func(*net.TCPConn) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alive.Err() != nil {
		return
	}
	l.end()
	for _, end := range l.ends {
		if end != nil {
			_ = how(end) // the descriptor is released even on an error
		}
	}
}

// run forwards data until both sides have closed or the link is cut.
func (l *link) run() {
	defer l.proxy.remove(l)
	if err := l.dial(); err != nil {
		l.cut()
		return
	}
	var tasks sync.WaitGroup
	for _, from := range []int{fromClient, fromServer} {
		chunks := make(chan chunk, maxChunks)
		tasks.Go(func() { l.collect(from, chunks) })
		tasks.Go(func() { l.deliver(l.ends[1-from], chunks) })
	}
	tasks.Wait()
	l.close((*net.TCPConn).Close)
}

// dial connects to the server after the end of a partition.
func (l *link) dial() error {
	if !l.await(time.Now()) {
		return l.alive.Err()
	}
	conn, err := new(net.Dialer).DialContext(l.alive, "tcp", l.proxy.server())
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

// collect reads the data of one side and calls the hook with it.
func (l *link) collect(from int, chunks chan<- chunk) {
	defer close(chunks)
	buffer := make([]byte, 32<<10)
	for {
		n, err := l.ends[from].Read(buffer)
		if err != nil && err != io.EOF {
			l.cut()
			return
		}
		hook, delay := l.proxy.rules(from)
		if n > 0 && hook != nil && hook(buffer[:n]) {
			l.cut()
			return
		}
		select {
		case chunks <- chunk{bytes.Clone(buffer[:n]), time.Now().Add(delay)}:
		case <-l.alive.Done():
			return
		}
		if err == io.EOF {
			return
		}
	}
}

// deliver writes the chunks to the other side when they are due.
func (l *link) deliver(to *net.TCPConn, chunks <-chan chunk) {
	for p := range chunks {
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

// await waits until due, and then until the network is not partitioned. It returns false as soon
// as the link is cut.
func (l *link) await(due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.alive.Done():
		return false
	}
	select {
	case <-l.proxy.whenConnected():
	case <-l.alive.Done():
	}
	return l.alive.Err() == nil
}
