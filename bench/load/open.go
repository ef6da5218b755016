package load

import (
	"runtime"
	"syscall"
	"time"
)

// Open runs an open loop at rate requests per second for d. Request k is due k/rate after the
// start,
// independent of earlier responses; the next free connection sends it. Latency is measured from the
// due
// time, so a stall of the server counts for every request that it delays. A closed loop omits these
// (coordinated omission).
//
// All due requests are sent, even after d.
func (c Conns) Open(rate float64, d time.Duration) (*Result, error) {
	total := int(rate * d.Seconds())
	due := make(chan time.Time, total)
	quit := make(chan struct{})
	go schedule(due, quit, rate, total)
	defer close(quit)
	return c.run(d, func(conn Doer, own *Result) error {
		for dueAt := range due {
			kind, err := conn.Do()
			if err != nil {
				return err
			}
			own.Of(kind).Record(time.Since(dueAt))
		}
		return nil
	})
}

// schedule sends the due time of each request to due when it has come, and closes due after the
// last one.
// It sleeps on its own thread, because the timers of an idle runtime are up to a millisecond late,
// which
// is longer than most responses take.
func schedule(due chan<- time.Time, quit <-chan struct{}, rate float64, total int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(due)
	began, gap := time.Now(), float64(time.Second)/rate
	for k := range total {
		at := began.Add(time.Duration(float64(k) * gap))
		for wait := time.Until(at); wait > 0; wait = time.Until(at) {
			ts := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&ts, nil) // a signal can end it early
		}
		select {
		case <-quit:
			return
		default:
			due <- at // the buffer has room for all
		}
	}
}
