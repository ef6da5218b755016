package ui

import (
	"maps"
	"slices"
)

// Routes are the patterns of the pages for browsers that are signed in.
func Routes() []string { return slices.Sorted(maps.Keys(routes)) }

// The bounds that tests reach.
const (
	TriesOfAddress = triesOfAddress
	MaxSessions    = maxSessions
)
