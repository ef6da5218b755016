//go:build !linux && !darwin

package cli

import "errors"

// freeSpace isn't known on this system.
func freeSpace(string) (uint64, error) { return 0, errors.New("this system isn't asked") }
