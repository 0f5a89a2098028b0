package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
	"github.com/sallyport-host/sallyport/internal/home"
	"github.com/sallyport-host/sallyport/internal/terminal"
)

// cli is one invocation: the flags of every command, and the person.
type cli struct {
	stdin, stdout, stderr *os.File

	err      io.Writer        // stderr, above the status line where it is a terminal
	screen   *terminal.Screen // nil when stderr is no terminal
	terminal *terminal.Terminal

	exit func(int) // os.Exit

	options app.Options
	json    bool
	quiet   bool
	started bool // a command's own code runs: what fails now is not its usage
}

func newCLI(stdin, stdout, stderr *os.File) *cli {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr, err: stderr, exit: os.Exit}
	if terminal.IsTerminal(stderr) {
		c.screen = terminal.NewScreen(stderr)
		c.err = c.screen
	}
	if t, ok := terminal.Open(stdin, c.screen); ok {
		c.terminal = t
	}
	return c
}

// signals returns a context that ends with the first interrupt. A second one
// ends the process at once. Call stop when no signal is to be caught any more.
func (c *cli) signals() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	caught := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range 2 {
			select {
			case <-caught:
			case <-done:
				return
			}
			if ctx.Err() != nil {
				c.abort()
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		close(done)
		cancel()
	}
}

// abort ends the process with the terminal as it was.
func (c *cli) abort() {
	if c.terminal != nil {
		c.terminal.Restore()
	}
	c.exit(int(app.Interrupted))
}

// app resolves the flags. It is called by the commands that need files.
func (c *cli) app() (*app.App, error) {
	c.options.JSON = c.json
	a, err := app.New(c.options, home.FromOS(), c.err)
	if err != nil {
		return nil, err
	}
	a.Terminal, a.Progress, a.RecordsShown = c.terminal, c.screen, terminal.IsTerminal(c.stdout)
	a.Stdin, a.Stdout = c.stdin, c.stdout
	a.Sinks, a.ReadProfile = sinks(), readProfile
	if c.json {
		a.Progress = nil // stderr is for JSON
	}
	return a, nil
}

// do makes a command's code of f: it builds the app and prints the result,
// which may be there beside an error.
func (c *cli) do(f func(ctx context.Context, a *app.App, args []string) (app.Result, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c.started = true
		a, err := c.app()
		if err != nil {
			return err
		}
		result, err := f(cmd.Context(), a, args)
		if result != nil {
			err = errors.Join(err, c.print(result, err))
		}
		return err
	}
}

// print writes the result. Beside an error there is no next step: the error
// says its own.
func (c *cli) print(r app.Result, err error) error {
	return app.Print(r, c.json, c.quiet || err != nil, c.stdout, c.err)
}

// classify makes a usage error of what cobra found wrong with the command
// line before any command ran.
func (c *cli) classify(err error) error {
	if own := (*app.Error)(nil); !c.started && !errors.As(err, &own) {
		return app.UsageError("%w; see: sallyport --help", err)
	}
	return err
}

// asJSON also looks at the arguments themselves: the flags may be what is
// wrong.
func (c *cli) asJSON(args []string) bool { return c.json || slices.Contains(args, "--json") }

// bug says that the program panicked with v, but not the value itself: it may
// hold what was being worked on.
func (c *cli) bug(v any, args []string) {
	if c.asJSON(args) {
		app.PrintError(app.BugError(v, debug.Stack()), true, c.stderr)
		return
	}
	_, _ = fmt.Fprintf(c.stderr, "sallyport: internal: a bug (%T); please report this:\n%s", v, debug.Stack())
}
