package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// sdkOperations is the number of operations of SDK version 2.7.1 in the five groups. It
// makes the check fail if the enumeration misses operations.
const sdkOperations = 38

// The client in compat/results.md.
const (
	sdk        = "`github.com/unkeyed/sdks/api/go/v2`"
	sdkVersion = "2.7.1"
)

// completeness checks that every operation of the SDK in the five groups succeeded at least
// once, and writes their names.
func (s *suite) completeness() {
	groups := map[string]any{
		"apis": s.un.Apis, "identities": s.un.Identities, "keys": s.un.Keys,
		"permissions": s.un.Permissions, "ratelimit": s.un.Ratelimit,
	}
	found := 0
	results := must(os.Create(env("RESULTS")))
	for group, methods := range groups {
		t := reflect.TypeOf(methods)
		for i := range t.NumMethod() {
			operation := group + "." + t.Method(i).Name
			s.holds(operation+" succeeded", s.seen.succeeded[strings.ToLower(operation)])
			found++
			fmt.Fprintf(results, "%s\t%s\t%s\n", sdk, sdkVersion, operation)
		}
	}
	must(0, results.Close())
	s.same("operations of the SDK", found, sdkOperations)
}
