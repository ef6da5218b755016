package load

import (
	"runtime"
	"syscall"
	"time"
)

// Open sends rate requests a second for that long. Request k is due k/rate after
// the beginning, whatever became of those before it; the next connection that is
// free sends it. Its time counts from when it was due, so a server that stalls is
// charged for every request that had to wait because of it, and not only for the
// one that it was answering: the omission that a closed loop commits.
//
// Requests that were due are sent even if the time is over.
func (c Conns) Open(rate float64, d time.Duration) (*Result, error) {
	total := int(rate * d.Seconds())
	due := make(chan time.Time, total)
	quit := make(chan struct{})
	go pace(due, quit, rate, total)
	defer close(quit)
	return c.run(d, func(conn Doer, mine *Result) error {
		for at := range due {
			kind, err := conn.Do()
			if err != nil {
				return err
			}
			mine.Of(kind).Record(time.Since(at))
		}
		return nil
	})
}

// pace tells due of each request when its time has come, and closes it after the
// last one. It sleeps on a thread of its own, because the runtime's timers wait
// for up to a millisecond when nothing else happens, which is longer than most
// answers take.
func pace(due chan<- time.Time, quit <-chan struct{}, rate float64, total int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(due)
	begun, gap := time.Now(), float64(time.Second)/rate
	for k := range total {
		at := begun.Add(time.Duration(float64(k) * gap))
		for wait := time.Until(at); wait > 0; wait = time.Until(at) {
			ts := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&ts, nil) // a signal may end it early
		}
		select {
		case <-quit:
			return
		default:
			due <- at // there is room for all
		}
	}
}
