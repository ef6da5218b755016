package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// nextHostAfter is how long a host has until the next one is tried too.
	nextHostAfter = 150 * time.Millisecond
	// spareFor is how long a connection waits that was made for a caller who left.
	spareFor = 10 * time.Second
)

// dialer connects to the host that serves. It tries the one that served last first, and
// the next one too when that one fails or takes long; the first to serve wins. A caller
// whose context ends leaves the connection to the next one, so connecting can take
// longer than anybody waits.
type dialer struct {
	hosts    []driver.Connector
	fence    *fence
	patience time.Duration // for all hosts together

	ctx   context.Context // ends with close
	end   context.CancelFunc
	work  sync.WaitGroup
	best  atomic.Int64 // index of the host that served last
	slots chan struct{}
	spare chan spareConn
}

type spareConn struct {
	driver.Conn
	since time.Time
}

// dialed is the result of a dial.
type dialed struct {
	conn driver.Conn
	err  error
	host int
}

// newDialer returns a dialer for a configuration, which has the fence.
func newDialer(config *pgx.ConnConfig, f *fence, most int) *dialer {
	d := &dialer{
		fence: f, slots: make(chan struct{}, most), spare: make(chan spareConn, most),
	}
	d.ctx, d.end = context.WithCancel(context.Background())
	current := stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
		if !f.current(conn) {
			return driver.ErrBadConn
		}
		return nil
	})
	// One to an older primary isn't pinged first: that one may never answer.
	ping := stdlib.OptionShouldPing(func(_ context.Context, p stdlib.ShouldPingParams) bool {
		return p.IdleDuration > time.Second && f.current(p.Conn)
	})
	for _, one := range hostsOf(config) {
		d.hosts = append(d.hosts, stdlib.GetConnector(*one, current, ping))
		d.patience += one.ConnectTimeout
	}
	return d
}

// hostsOf returns a configuration for each host. One host can have several fallbacks,
// with and without TLS.
func hostsOf(config *pgx.ConnConfig) (hosts []*pgx.ConnConfig) {
	for _, next := range config.Fallbacks {
		if len(hosts) == 0 {
			hosts = append(hosts, config.Copy())
			hosts[0].Fallbacks = nil
		}
		last := hosts[len(hosts)-1]
		if next.Host == last.Host && next.Port == last.Port {
			last.Fallbacks = append(last.Fallbacks, next)
			continue
		}
		one := config.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks = next.Host, next.Port, next.TLSConfig, nil
		hosts = append(hosts, one)
	}
	if len(hosts) == 0 {
		return []*pgx.ConnConfig{config}
	}
	return hosts
}

// Driver is part of [driver.Connector].
func (d *dialer) Driver() driver.Driver { return d.hosts[0].Driver() }

// Connect returns a connection to the host that serves.
func (d *dialer) Connect(ctx context.Context) (driver.Conn, error) {
	for {
		select {
		case s := <-d.spare:
			if conn := d.usable(s); conn != nil {
				return conn, nil
			}
			continue
		default:
		}
		select {
		case s := <-d.spare:
			if conn := d.usable(s); conn != nil {
				return conn, nil
			}
		case d.slots <- struct{}{}:
			return d.dial(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// usable returns a spare connection, or nil if it has waited for too long.
func (d *dialer) usable(s spareConn) driver.Conn {
	conn := s.Conn.(*stdlib.Conn).Conn()
	if time.Since(s.since) > spareFor || conn.IsClosed() || !d.fence.current(conn) {
		_ = s.Close() // nobody used it
		return nil
	}
	return s.Conn
}

// dial makes a connection in a slot that the caller has. If the caller leaves, it
// becomes a spare one.
func (d *dialer) dial(ctx context.Context) (driver.Conn, error) {
	result, left := make(chan dialed), make(chan struct{})
	d.work.Go(func() {
		defer func() { <-d.slots }()
		within, cancel := context.WithTimeout(d.ctx, d.patience)
		defer cancel()
		r := d.race(within)
		select {
		case result <- r:
		case <-left:
			d.keep(r.conn)
		}
	})
	select {
	case r := <-result:
		return r.conn, r.err
	case <-ctx.Done():
		close(left)
		return nil, ctx.Err()
	}
}

// keep makes a connection a spare one.
func (d *dialer) keep(conn driver.Conn) {
	if conn == nil {
		return
	}
	select {
	case d.spare <- spareConn{conn, time.Now()}:
	default:
		_ = conn.Close() // nobody used it
	}
}

// race tries the hosts until one serves.
func (d *dialer) race(ctx context.Context) dialed {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialed, len(d.hosts))
	first, begun, failed := int(d.best.Load()), 0, []error(nil)
	next := time.NewTimer(0)
	defer next.Stop()
	for len(failed) < len(d.hosts) {
		select {
		case <-next.C:
			if begun == len(d.hosts) {
				continue
			}
			host := (first + begun) % len(d.hosts)
			begun++
			d.work.Go(func() { results <- d.try(ctx, host) })
			next.Reset(nextHostAfter)
		case r := <-results:
			if r.err == nil {
				d.best.Store(int64(r.host))
				cancel()
				d.work.Go(func() { drop(results, begun-len(failed)-1) })
				return r
			}
			failed = append(failed, r.err)
			next.Reset(0)
		}
	}
	return dialed{err: errors.Join(failed...)}
}

func (d *dialer) try(ctx context.Context, host int) dialed {
	conn, err := d.hosts[host].Connect(ctx)
	if err == nil && !d.fence.current(conn.(*stdlib.Conn).Conn()) {
		conn, err = nil, errors.Join(errOldPrimary, conn.Close())
	}
	return dialed{conn, err, host}
}

// drop closes the connections of those that came too late.
func drop(results <-chan dialed, n int) {
	for range n {
		if r := <-results; r.conn != nil {
			_ = r.conn.Close() // nobody used it
		}
	}
}

// close ends all dials and closes the spare connections.
func (d *dialer) close() {
	d.end()
	d.work.Wait()
	for {
		select {
		case s := <-d.spare:
			_ = s.Close() // nobody used it
		default:
			return
		}
	}
}
