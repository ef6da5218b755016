// Command latchkey is the whole of Latchkey: the service and its command line.
package main

import (
	"os"
	_ "time/tzdata" // periods in time zones, on machines and images without a database of them

	"github.com/latchkeyhq/latchkey/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
