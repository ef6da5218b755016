// Package licenses has the licenses of Latchkey, of all modules that are linked into it,
// and of the scripts, fonts and icons of its dashboard. They require that their texts
// accompany the program. The command latchkey licenses prints them.
package licenses

import _ "embed"

//go:generate go run ./gen

// Notices is the text of all licenses, each after the modules that it applies to.
//
//go:embed notices.txt
var Notices string
