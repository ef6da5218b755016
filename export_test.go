package latchkey

import (
	"maps"
	"slices"
)

// OperationsThatRead are the operations that the client holds to be safe to
// repeat, sorted.
func OperationsThatRead() []string { return operationsOf(reads) }

// OperationsThatCount are those it holds to be unsafe, but sends without an
// Idempotency-Key of its own, sorted.
func OperationsThatCount() []string { return operationsOf(counts) }

func operationsOf(n nature) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(natures)) {
		if natures[name] == n {
			names = append(names, name)
		}
	}
	return names
}
