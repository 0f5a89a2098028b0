// Command demo shows what Sallyport is for: a real connector fetches real
// contacts with a password that it never sees, and a nosy one gets nothing.
//
// It builds the command line and the connectors from the tree that it is run
// in, and needs neither network nor privileges.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/sallyport-host/sallyport/e2e/internal/build"
	"github.com/sallyport-host/sallyport/e2e/internal/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, isTerminal(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, colour bool) error {
	began := time.Now()
	fmt.Fprintln(out, "Sallyport runs programs that collect your own data, and lets them use your")
	fmt.Fprintln(out, "passwords and tokens without ever holding one.")
	fmt.Fprintln(out, "\nbuilding the command line and two connectors (the first time takes a minute) …")
	root, err := build.Root()
	if err != nil {
		return err
	}
	built, err := build.All(ctx, root, filepath.Join(root, "bin", "demo"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "built in %.1f s\n", time.Since(began).Seconds())
	return demo.Run(ctx, out, colour, built)
}

// isTerminal reports whether f may be painted on.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
