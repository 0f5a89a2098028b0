package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
)

// defaultEvents is how many events are shown when nobody says.
const defaultEvents = 50

func (c *cli) audit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show and verify the audit log",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(c.auditShow(), c.auditVerify(), c.auditRotate())
	return cmd
}

func (c *cli) auditShow() *cobra.Command {
	var o app.AuditShow
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show who used what, by which rule",
		Long:  "Show the audit log, oldest first: who, what, by which rule; never a value, a URL or a query.",
		Args:  exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.AuditShow(ctx, o)
		}),
	}
	cmd.Flags().StringVar(&o.Connector, "connector", "", "only of this `CONNECTOR`, a folder or a key")
	cmd.Flags().StringVar(&o.Run, "run", "", "only of the run with this `ID`")
	cmd.Flags().BoolVar(&o.Refused, "refused", false, "only what was refused")
	cmd.Flags().IntVar(&o.Limit, "limit", defaultEvents, "the last `N` events, 0 for all")
	return cmd
}

func (c *cli) auditVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing in the audit log was changed or taken away",
		Args:  exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.AuditVerify(ctx)
		}),
	}
}

func (c *cli) auditRotate() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Keep the audit log aside and begin another",
		Long:  "Move the audit log aside, as it is, and begin another. It is the way on when the log was cut or changed.",
		Args:  exactly(),
		RunE: c.do(func(ctx context.Context, a *app.App, _ []string) (app.Result, error) {
			return a.AuditRotate(ctx, yes)
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
