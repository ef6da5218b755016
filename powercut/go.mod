// A module of its own, so that nobody who uses the product downloads a FUSE library.
module github.com/latchkeyhq/latchkey/powercut

go 1.26.0

require (
	github.com/hanwen/go-fuse/v2 v2.12.1 // the file system that forgets, mounted without a helper program
	github.com/latchkeyhq/latchkey v0.0.0 // what is tested, and the client that drives it
	modernc.org/sqlite v1.60.1 // checks the database's integrity after a cut
)

require (
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	golang.org/x/sys v0.49.0 // indirect
	modernc.org/libc v1.77.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

replace github.com/latchkeyhq/latchkey => ../
