package app

import (
	"context"
	"fmt"
	"io"

	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
)

// Disclose names a connector and the options to see it with.
type Disclose struct {
	Connector string
	Options   []string
}

// Disclosed is the result of [App.Disclose].
type Disclosed struct {
	next
	manifests.Disclosure
	ManifestSHA256 string   `json:"manifest_sha256"`
	NotRunnable    string   `json:"not_runnable,omitempty"`
	Warnings       []string `json:"warnings,omitempty"`
}

// Text writes the disclosure in plain words.
func (d Disclosed) Text(w io.Writer) error {
	_, err := fmt.Fprintln(w, terminal.CleanLines(d.Disclosure.Text()))
	if err == nil && d.NotRunnable != "" {
		_, err = fmt.Fprintf(w, "\nIt cannot run yet: %s\n", terminal.Clean(d.NotRunnable, maxMessage))
	}
	for _, warning := range d.Warnings {
		if err == nil {
			_, err = fmt.Fprintf(w, "warning: %s\n", terminal.Clean(warning, maxMessage))
		}
	}
	return err
}

// Disclose says in plain words what approving the connector would hand over.
// It needs no vault and changes nothing.
func (a *App) Disclose(ctx context.Context, o Disclose) (Result, error) {
	c, err := a.openManifest(o.Connector)
	if err != nil {
		return nil, err
	}
	b, err := a.bind(ctx, c.manifest, o.Options, a.approvedOptions(ctx, c))
	if err != nil {
		return nil, err
	}
	return Disclosed{
		next:       next{a.command("grant", "approve", o.Connector)},
		Disclosure: b.Disclose(), ManifestSHA256: c.manifest.Digest(),
		NotRunnable: c.manifest.NotRunnable, Warnings: c.manifest.Warnings,
	}, nil
}

// approvedOptions returns the options of the standing approval, nil when
// there is none or it cannot be read: a command that needs it says so itself.
func (a *App) approvedOptions(ctx context.Context, c *connector) map[string]any {
	if exists, err := a.Files.Exists(); err != nil || !exists {
		return nil
	}
	stores, err := a.Files.Open(ctx)
	if err != nil {
		a.Log.DebugContext(ctx, "no options from an approval", "why", err.Error())
		return nil
	}
	defer stores.Close()
	standing, err := stores.Approvals.Standing(ctx, a.scope(c.manifest.ConnectorKey))
	if err != nil || standing.Approval == nil {
		return nil
	}
	return standing.Approval.Options
}
