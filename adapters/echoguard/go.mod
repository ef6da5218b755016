// A module of its own, so that who protects net/http or another framework doesn't
// download this one.
module github.com/latchkeyhq/latchkey/adapters/echoguard

go 1.26.0

// The version of the parent is set to the one that is released together with this
// module. Inside the repository the replacement below decides; it is ignored where
// this module is a dependency.
require github.com/latchkeyhq/latchkey v0.0.0

replace github.com/latchkeyhq/latchkey => ../../

require github.com/labstack/echo/v5 v5.3.1

require github.com/google/go-cmp v0.7.0 // indirect
