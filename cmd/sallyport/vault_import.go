package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
)

func (c *cli) vaultImport() *cobra.Command {
	var o app.VaultImport
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Take in the secrets of .env files and browser sessions",
		Long: `Take in the secrets of environment files (.env.local), Playwright storage states and
browser profiles. Each is matched to what a connector declares, by its name in
--manifests, in the connectors used before and in what is known of the reference
implementation's; a table of what goes where, and in which class, is shown for
approval. What matches nothing is listed and left.

Cookies are taken in for the connectors that --connector names. Nothing is verified
at a source; a value that is stored already is left, and another one in its place
needs --replace. To import again is harmless.

At the end it says what to delete, and asks whether to; --yes does not answer that,
--delete does. What is overwritten can still be on the disk or in a backup.`,
		Example: "  sallyport vault import .env.local\n  sallyport vault import --manifests ./manifests .env.local --dry-run\n  sallyport vault import --connector shopify state.json",
		Args:    cobra.ArbitraryArgs,
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			o.Sources = args
			return a.VaultImport(ctx, o)
		}),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.Manifests, "manifests", nil, "match by the manifests in `DIR` too; may be given again")
	flags.StringArrayVar(&o.Connectors, "connector", nil, "take in what is for the connector `KEY` alone; may be given again")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "store without asking")
	flags.BoolVar(&o.Replace, "replace", false, "replace values that are stored and differ")
	flags.BoolVar(&o.Delete, "delete", false, "delete what was taken in from the files, without asking")
	flags.BoolVar(&o.DryRun, "dry-run", false, "show the table and store nothing")
	return cmd
}
