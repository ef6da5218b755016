module github.com/latchkeyhq/latchkey/compat/go

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/latchkeyhq/latchkey v0.0.0 // measured beside the official client
	github.com/unkeyed/sdks/api/go/v2 v2.7.1
)

require github.com/spyzhov/ajson v0.8.0 // indirect

replace github.com/latchkeyhq/latchkey => ../../
