//go:build !linux && !darwin

package durable

import "errors"

// Space isn't known on this system.
func Space(string) (free, total int64, err error) {
	return 0, 0, errors.New("this system isn't asked")
}
