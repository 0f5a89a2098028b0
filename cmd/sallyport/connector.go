package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport-host/sallyport/internal/app"
)

// completeConnector completes the folder of a connector.
func completeConnector(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect CONNECTOR|FILE.wasm",
		Short: "Show what a connector's modules import, and so could do",
		Long: `Show the digest, the size and the imports of a connector's modules, and what those
would allow. A connector is also checked as it would be for a run. Nothing is run.`,
		Args: exactly("CONNECTOR"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			return a.Inspect(ctx, args[0])
		}),
	}
}

func (c *cli) disclose() *cobra.Command {
	var o app.Disclose
	cmd := &cobra.Command{
		Use:   "disclose CONNECTOR",
		Short: "Say in plain words what approving a connector hands over",
		Args:  exactly("CONNECTOR"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			o.Connector = args[0]
			return a.Disclose(ctx, o)
		}),
		ValidArgsFunction: completeConnector,
	}
	optionFlag(cmd, &o.Options)
	return cmd
}

func optionFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "option", nil, "set an option of the connector, `NAME=VALUE`; may be repeated")
}

func grantFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "grant-file", "", "use the PDPP grant in `FILE` (default: your own use, of all streams)")
}

func networkFlags(cmd *cobra.Command, to *app.Network) {
	cmd.Flags().StringArrayVar(&to.Limits, "limit", nil, "bound what it may use, by a `NAME=VALUE` of the manifest's /limits, like wall=PT10M; may be repeated")
	cmd.Flags().StringArrayVar(&to.AllowAddress, "allow-address", nil, "let `HOST=IP:PORT` be reached, that name at that address; may be repeated")
	cmd.Flags().StringArrayVar(&to.CAFiles, "ca-file", nil, "trust the authorities in this PEM `FILE` instead of the system's; may be repeated")
}

func (c *cli) auth() *cobra.Command {
	var o app.Authorize
	cmd := &cobra.Command{
		Use:   "auth CONNECTOR NAME",
		Short: "Authorize a connector at its source, where that gives tokens",
		Long: `Authorize a connector at its source, by OAuth: your browser shows the source's own
page, you answer there, and the tokens go to the vault. They are renewed from then
on; no connector sees one. The connector has to be approved first.

The address is printed for you to open in a browser on this machine. --browser
opens it: the address is then in the list of processes, where other users of this
machine can read it, and one who is quick could answer with an account of theirs.
With --device you enter a code on any device, where the source offers that.

With --json what you have to do is a line {"authorize": {"address", "code"}} on
stderr.`,
		Example: "  sallyport auth ./spotify SPOTIFY_ACCESS_TOKEN\n  sallyport auth ./spotify SPOTIFY_ACCESS_TOKEN --device",
		Args:    exactly("CONNECTOR", "NAME"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			o.Connector, o.Name, o.JSON = args[0], args[1], c.json
			return a.Authorize(ctx, o)
		}),
		ValidArgsFunction: c.completeCredential,
	}
	cmd.Flags().BoolVar(&o.Device, "device", false, "enter a code on another device instead of opening an address here")
	cmd.Flags().BoolVar(&o.OtherAccount, "other-account", false, "take an authorization of another account than the one before")
	cmd.Flags().BoolVar(&o.Browser, "browser", false, "open the browser, and do not only print the address")
	networkFlags(cmd, &o.Network)
	grantFlag(cmd, &o.GrantFile)
	return cmd
}

func (c *cli) run() *cobra.Command {
	var o app.Run
	cmd := &cobra.Command{
		Use:   "run CONNECTOR",
		Short: "Run a connector and write its records",
		Long: `Run a connector that you approved. Its records go to stdout, one JSON object a line,
or are added to the end of a file with --out: a run tells what changed since the
last, so earlier records still count. Progress and refusals go to stderr.

--out sqlite:FILE keeps them in a SQLite database: a table for each stream, where a
record replaces the one with its key. It keeps where the next run starts too, so a
new file gets everything. Several connectors may share a file, one at a time.

The host reaches public addresses over TLS only. --allow-address lets one name go
to one address, such as a server on this machine or in your network.`,
		Example: "  sallyport run ./contacts > contacts.jsonl\n  sallyport run ./contacts --out contacts.jsonl --json\n  sallyport run ./contacts --out sqlite:mine.db\n  sallyport run ./contacts --allow-address dav.home.arpa=192.168.1.5:443",
		Args:    exactly("CONNECTOR"),
		RunE: c.do(func(ctx context.Context, a *app.App, args []string) (app.Result, error) {
			o.Connector, o.JSON, o.Quiet = args[0], c.json, c.quiet
			return a.Run(ctx, o)
		}),
		ValidArgsFunction: completeConnector,
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Full, "full", false, "collect everything again, whatever earlier runs brought")
	flags.BoolVar(&o.Unattended, "unattended", false, "ask nothing, even on a terminal")
	flags.StringVar(&o.Out, "out", "", "add the records to the end of `FILE`, or to the database sqlite:FILE, instead of writing them to stdout")
	networkFlags(cmd, &o.Network)
	grantFlag(cmd, &o.GrantFile)
	return cmd
}
