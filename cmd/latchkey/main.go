// Command latchkey is the whole of Latchkey: the service and its command line.
package main

import (
	"os"

	"github.com/latchkeyhq/latchkey/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
