package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport-host/sallyport/internal/app"
)

func (c *cli) vault() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vault",
		Short: "Store, list and remove credentials",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(c.vaultSet(), c.vaultImport(), c.vaultExport(), c.vaultList(), c.vaultRemove())
	return cmd
}

func (c *cli) vaultSet() *cobra.Command {
	var o app.VaultSet
	cmd := &cobra.Command{
		Use:   "set CONNECTOR NAME",
		Short: "Store a credential",
		Long: `Store a credential that the connector's manifest declares.

The value is asked for without echo, or read with --stdin or --file. It is never
an argument: other users and the shell's history would see it. One newline at the
end of what --stdin and --file give is left out. The value is checked against
the manifest's schema.

Where the connector is approved and its manifest says how, the source is asked
whether the value works before it is stored, and whose account it is of is shown.
A value that the source does not accept is refused (exit code 3); --no-verify
stores it all the same. One of another account than the one before is refused too,
as the records of both would be mixed: keep it under another --instance, or give
--other-account.

Where there is no manifest, CONNECTOR may be a connector's key, with --class.`,
		Example: "  sallyport vault set ./contacts APP_PASSWORD\n  pass show contacts | sallyport vault set ./contacts APP_PASSWORD --stdin",
		Args:    noValueInArguments,
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			o.Connector, o.Name = args[0], args[1]
			return a.VaultSet(ctx, o)
		}),
		ValidArgsFunction: c.completeCredential,
	}
	cmd.Flags().BoolVar(&o.Stdin, "stdin", false, "read the value from stdin")
	cmd.Flags().StringVar(&o.File, "file", "", "read the value from `FILE`")
	cmd.Flags().StringVar(&o.Class, "class", "", "store it as this `CLASS`: long_lived_token, session or password (default: as declared)")
	cmd.Flags().BoolVar(&o.OtherAccount, "other-account", false, "take a value of another account than the one before")
	cmd.Flags().BoolVar(&o.NoVerify, "no-verify", false, "do not ask the source whether the value works")
	networkFlags(cmd, &o.Network)
	grantFlag(cmd, &o.GrantFile)
	cmd.SetFlagErrorFunc(noValueInFlags)
	return cmd
}

// noValueInArguments refuses a value on the command line and does not repeat
// it.
func noValueInArguments(cmd *cobra.Command, args []string) error {
	const want = 2
	if len(args) > want {
		return app.UsageError("a value is never an argument, where other users and the shell's history see it; " +
			"leave it out and type it when asked, or give --stdin or --file FILE (and change the value at the source if it was real)")
	}
	return exactly("CONNECTOR", "NAME")(cmd, args)
}

// noValueInFlags words a wrong flag without what was given: someone may have
// tried to give the value by one.
func noValueInFlags(_ *cobra.Command, err error) error {
	var (
		needs *pflag.ValueRequiredError
		wrong *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &needs):
		return app.UsageError("flag --%s needs a value", needs.GetFlag().Name)
	case errors.As(err, &wrong):
		return app.UsageError("flag --%s does not take the value given", wrong.GetFlag().Name)
	}
	return app.UsageError("unknown flag; a credential's value is asked for, or read with --stdin or --file FILE; see: sallyport vault set --help")
}

func (c *cli) vaultList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what is stored, never values",
		Args:  exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.VaultList(ctx)
		}),
	}
}

func (c *cli) vaultRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "rm CONNECTOR NAME",
		Short: "Remove a credential in all its versions",
		Long:  "Remove a credential in all its versions. CONNECTOR is a connector's folder or its key.",
		Args:  exactly("CONNECTOR", "NAME"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			return a.VaultRemove(ctx, args[0], args[1])
		}),
		ValidArgsFunction: c.completeCredential,
	}
}

// completeCredential completes a connector's folder, then the names that its
// manifest declares.
func (c *cli) completeCredential(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return nil, cobra.ShellCompDirectiveFilterDirs
	case 1:
		a, err := c.app()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return a.CredentialNames(args[0]), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
