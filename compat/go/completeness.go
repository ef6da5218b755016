package main

import (
	"reflect"
	"strings"
)

// sdkOperations is the number of operations of SDK version 2.7.1 in the five groups. It
// makes the check fail if the enumeration misses operations.
const sdkOperations = 38

// completeness checks that every operation of the SDK in the five groups succeeded at least
// once.
func (s *suite) completeness() {
	groups := map[string]any{
		"apis": s.un.Apis, "identities": s.un.Identities, "keys": s.un.Keys,
		"permissions": s.un.Permissions, "ratelimit": s.un.Ratelimit,
	}
	found := 0
	for group, methods := range groups {
		t := reflect.TypeOf(methods)
		for i := range t.NumMethod() {
			operation := group + "." + t.Method(i).Name
			s.holds(operation+" succeeded", s.seen.succeeded[strings.ToLower(operation)])
			found++
		}
	}
	s.same("operations of the SDK", found, sdkOperations)
}
