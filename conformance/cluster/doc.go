// Package cluster tests the guarantees of several nodes that share one database and one Redis,
// with real processes: limits and credits are exact, every node applies a change within one second,
// rolling restarts fail no request, and faults have the documented effects. It contains only tests.
package cluster
