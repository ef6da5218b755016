package main

import (
	"reflect"
	"strings"
)

// sdkOperations is how many operations version 2.7.1 of the SDK has in the five
// groups. It keeps the enumeration from finding nothing and being content.
const sdkOperations = 38

// completeness checks that each operation the SDK has in the five groups was
// answered with success at least once.
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
			s.holds(operation+" was exercised", s.seen.answered[strings.ToLower(operation)])
			found++
		}
	}
	s.same("operations of the SDK", found, sdkOperations)
}
