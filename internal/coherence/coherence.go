// Package coherence caches what is read from a database that changes. A cached
// value is right by versions, not by time: the [Clock] gives each change a
// version, and a value is used until something that it depends on has a later one.
//
//   - Changes of this process invalidate what they touched, after their commit and
//     before their response, so they are in force for the next request.
//   - Changes of other processes arrive through a change log that the caller
//     reads and applies. A value is used only if it was read, or the log was
//     applied, within the last second: the maximum staleness.
//   - While the database is down, the [Breaker] fails reads at once, and a
//     [Cache] can return older values, up to StaleFor.
//
// The package knows neither SQL nor the meaning of the values.
package coherence

import "time"

// MaxStaleness is the maximum time for which a value is used without a reading of
// the change log, if other processes change the database too. It bounds the time
// until a change is in force everywhere.
const MaxStaleness = time.Second

// A Source is the database that caches read from.
type Source struct {
	Clock   *Clock
	Breaker *Breaker

	// StaleFor bounds the age of values while the database is down. The default is
	// one second.
	StaleFor time.Duration
}
