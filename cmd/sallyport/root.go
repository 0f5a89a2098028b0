package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
)

const intro = `Sallyport runs connectors, programs that collect your own data, and lets them use
your credentials without ever holding one.

The first time, in this order (CONNECTOR is the folder of a connector):

  sallyport init                          make the vault
  sallyport disclose CONNECTOR            what it would use, and where that would go
  sallyport vault set CONNECTOR NAME      store a credential; it is asked for without echo
  sallyport grant approve CONNECTOR       say yes to what was disclosed
  sallyport auth CONNECTOR NAME           or obtain it at the source, where that is how
  sallyport run CONNECTOR > out.jsonl     collect

Exit codes:
`

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sallyport",
		Short:         "Run connectors that use credentials without holding them",
		Long:          intro + exitCodes(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.err)
	flags := root.PersistentFlags()
	flags.StringVar(&c.options.Home, "home", "", "keep everything in `DIR` (default: $SALLYPORT_HOME, else the system's directories)")
	flags.StringVar(&c.options.Owner, "owner", "", "the `OWNER` of credentials, approvals and runs (default \""+app.DefaultOwner+"\")")
	flags.StringVar(&c.options.Instance, "instance", "", "which `ACCOUNT` at the source (default \"default\")")
	flags.StringVar(&c.options.Grant, "grant", "", "under which `GRANT` (default \"self\", your own use)")
	flags.BoolVar(&c.json, "json", false, "print one JSON document on stdout, and errors and log as lines of JSON on stderr")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "no summaries and no hints of what comes next")
	flags.StringVar(&c.options.LogLevel, "log-level", "", "log on stderr from this `LEVEL` on: debug, info, warn, error, off (default \"warn\")")
	root.AddCommand(c.initCommand(), c.vault(), c.grant(), c.auth(), c.inspect(), c.disclose(), c.run(), c.audit(), c.version(), c.completion())
	c.help(root)
	return root
}

func exitCodes() string {
	var b strings.Builder
	for _, e := range app.Codes() {
		fmt.Fprintf(&b, "  %3d  %s\n", e.Code, e.Text)
	}
	return b.String()
}

// group is the code of a command that only holds others. What was given
// instead of one of them is not repeated: it may be anything.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return app.UsageError("%s: there is no such command; use one of %s", subject(cmd), strings.Join(names, ", "))
}

// subject is what an error calls the command: its words without the
// program's, which stands before every error.
func subject(cmd *cobra.Command) string {
	if cmd == cmd.Root() {
		return "command line"
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// exactly demands as many arguments as names has.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(args) < len(names):
			return app.UsageError("%s needs %s; see: %s --help", subject(cmd), strings.Join(names[len(args):], " and "), cmd.CommandPath())
		case len(names) == 0:
			return app.UsageError("%s takes no arguments; see: %s --help", subject(cmd), cmd.CommandPath())
		}
		return app.UsageError("%s takes %s and nothing more; see: %s --help", subject(cmd), strings.Join(names, " and "), cmd.CommandPath())
	}
}

func (c *cli) initCommand() *cobra.Command {
	var o app.Init
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the vault, its keys and a recovery identity",
		Long: `Make the vault, its keys and a recovery identity: once, never over what is there.

The recovery identity opens the vault's tokens and sessions when the keys of this
machine are lost. It is kept nowhere: it goes to a new file that you name, or is
shown once on a terminal. With --recovery-recipient you use one that you have.`,
		Example: "  sallyport init\n  sallyport init --recovery-out /media/usb/sallyport-recovery.txt\n  sallyport init --recovery-recipient age1…",
		Args:    exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.Init(ctx, o)
		}),
	}
	cmd.Flags().StringVar(&o.RecoveryOut, "recovery-out", "", "write the recovery identity to `FILE`, which must not exist")
	cmd.Flags().StringVar(&o.RecoveryRecipient, "recovery-recipient", "", "seal to this `RECIPIENT` (age1…) instead of making one")
	return cmd
}

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			c.started = true
			return c.print(app.ReadVersion(), nil)
		},
	}
}
