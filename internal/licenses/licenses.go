// Package licenses has the license of Latchkey and of everything that is linked
// into it. Their texts ask to go wherever the program goes.
package licenses

import _ "embed"

//go:generate go run ./gen

// Notices is the text of all licenses, each with what it applies to.
//
//go:embed notices.txt
var Notices string
