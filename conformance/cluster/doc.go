// Package cluster holds what several nodes promise that share one database and
// one Redis, as tests against real processes: exact limits and credits, changes
// in force everywhere within a second, restarts that nobody notices, and the
// stated behaviour under each fault. There is nothing in it but tests.
package cluster
