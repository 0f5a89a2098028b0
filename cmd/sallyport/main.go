// Command sallyport runs connectors, programs that collect a person's own
// data, and lets them use credentials without ever holding one.
//
// # Promise
//
// The same command line gives the same exit code for the same reason; they
// are listed in the help. Results are on stdout, everything else on stderr.
// Off a terminal nothing is asked.
//
// # Limits
//
// The commands are thin: what they do is in internal/app.
package main

import (
	"io"
	"log"
	"os"

	"github.com/sallyport-host/sallyport/internal/app"
	"github.com/sallyport-host/sallyport/vaultstore/protect"
)

func main() { os.Exit(int(run(os.Args[1:]))) }

// run is main with its exit code.
func run(args []string) (code app.Code) {
	_ = protect.Process() // best effort: no error is worth stopping for
	ignoreClosedPipes()
	silenceLibraries()
	c := newCLI(os.Stdin, os.Stdout, os.Stderr)
	defer func() {
		if v := recover(); v != nil {
			c.bug(v, args)
			code = app.Internal
		}
	}()
	ctx, stop := c.signals()
	defer stop()
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		err = c.classify(err)
		app.PrintError(err, c.asJSON(args), c.err)
	}
	return app.Exit(err)
}

// silenceLibraries discards what libraries write to the standard logger on
// their own account: net/http quotes there what a source sends unasked, which
// may be a value. Ours is log/slog.
func silenceLibraries() { log.SetOutput(io.Discard) }
