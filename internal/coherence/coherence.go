// Package coherence caches what is read from a database that changes. A cached
// value is right by versions, not by time: the [Clock] gives each change a
// version, and a value is used until something that it depends on has a later one.
//
//   - Changes of this process invalidate what they touched, after their commit
//     and before they are answered, so they are in force for the next request.
//   - Changes of other processes arrive through a change log that the caller
//     reads and applies. A value is used only if it was read, or the log was
//     applied, within the last second: the maximum staleness.
//   - While the database is down, the [Breaker] fails reads at once, and a
//     [Cache] can return values that are older than that, up to a bound of their own.
//
// The package knows neither SQL nor what the values are.
package coherence

import "time"

// maxStaleness is how long a value is used where other processes change the
// database too and none of their changes arrive. It bounds how long a change can
// take to be in force everywhere.
const maxStaleness = time.Second

// A Source is the database that caches read from.
type Source struct {
	Clock   *Clock
	Breaker *Breaker

	// StaleFor bounds the age of the values that are used while the database is
	// down. By default none is used that is older than a second.
	StaleFor time.Duration
}
