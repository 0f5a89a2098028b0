package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
)

func (c *cli) grant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Approve connectors, list and revoke approvals",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(c.grantApprove(), c.grantList(), c.grantRevoke())
	return cmd
}

func (c *cli) grantApprove() *cobra.Command {
	var (
		o       app.Approve
		expires string
	)
	cmd := &cobra.Command{
		Use:   "approve CONNECTOR",
		Short: "Approve what a connector may use and where that may go",
		Long: `Approve what a connector may use and where that may go. What it hands over is shown
first: in full with what is new, or in a line when nothing widens. The approval
holds for exactly this manifest and these modules; a changed connector needs a new
one. Options that were approved before are taken over unless given.`,
		Example: "  sallyport grant approve ./contacts --option base_url=https://dav.example.org\n  sallyport grant approve ./contacts --expires 30d --yes",
		Args:    exactly("CONNECTOR"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			o.Connector, o.JSON = args[0], c.json
			if expires != "" {
				var err error
				if o.Expires, err = app.ParseSpan(expires); err != nil {
					return nil, err
				}
			}
			return a.Approve(ctx, o)
		}),
		ValidArgsFunction: completeConnector,
	}
	optionFlag(cmd, &o.Options)
	cmd.Flags().StringVar(&expires, "expires", "", "let it end after `TIME`, like 12h, 30d or 2w (default: it does not end)")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	grantFlag(cmd, &o.GrantFile)
	return cmd
}

func (c *cli) grantList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what was approved and how it stands",
		Long: `List what was approved and how it stands. A file that counts for nothing is told as
a problem. What cannot be read at all is one too, and as it may be an approval, the
exit code is then 3.`,
		Args: exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.GrantList(ctx)
		}),
	}
}

func (c *cli) grantRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke CONNECTOR",
		Short: "Take an approval back, also from runs under way",
		Long:  "Take an approval back: no new run starts, and one under way ends within a moment. CONNECTOR is\na connector's folder or its key.",
		Args:  exactly("CONNECTOR"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			return a.GrantRevoke(ctx, args[0])
		}),
		ValidArgsFunction: completeConnector,
	}
}
