// A module of its own, so that who protects net/http or another framework doesn't
// download this one.
module github.com/latchkeyhq/latchkey/adapters/grpcguard

go 1.26.0

// The version of the parent is set to the one that is released together with this
// module. Inside the repository the replacement below decides; it is ignored where
// this module is a dependency.
require github.com/latchkeyhq/latchkey v0.0.0

replace github.com/latchkeyhq/latchkey => ../../

require (
	github.com/google/go-cmp v0.7.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261019180522-ce908d29299b
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
