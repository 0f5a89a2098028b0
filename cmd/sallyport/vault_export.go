package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
)

func (c *cli) vaultExport() *cobra.Command {
	var o app.VaultExport
	cmd := &cobra.Command{
		Use:   "export --dotenv FILE",
		Short: "Write everything of the owner's out, unencrypted, for leaving",
		Long: `Write every value of the owner's, unencrypted, into a new environment file with mode
0600. It asks twice, and the audit log says that it was done. vault import reads the
file back. Values that are stored under one name for several connectors get the
connector's key, the instance and the grant before it.`,
		Args: exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.VaultExport(ctx, o)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Dotenv, "dotenv", "", "write to `FILE`, which must not exist; - is stdout")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "do not ask whether to write")
	flags.BoolVar(&o.Unencrypted, "unencrypted", false, "do not ask again, because it is unencrypted")
	return cmd
}
