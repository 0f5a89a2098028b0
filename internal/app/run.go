package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
)

// Network is what the operator allows in one command, beside the
// configuration.
type Network struct {
	AllowAddress []string // "HOST=IP:PORT"
	CAFiles      []string // PEM; they replace the system's authorities
	Limits       []string // "NAME=VALUE", in place of the configuration's
}

// Run says what to run and where the records go.
type Run struct {
	Connector  string
	GrantFile  string
	Full       bool
	Unattended bool
	Out        string // a file to append to, or SCHEME:PATH; "" is stdout
	JSON       bool   // stdout is for the result, so Out must be given
	Quiet      bool   // no summary
	Network    Network
}

// Ran is the result of [App.Run].
type Ran struct {
	next
	capabilities.Scope
	host.Result
	Out string `json:"out,omitempty"`

	app   *App
	quiet bool
	said  string // the error that is printed beside it
}

// Text writes what was refused, and a summary, to stderr: stdout holds the
// records.
func (r Ran) Text(io.Writer) error {
	w := r.app.Stderr
	for _, f := range r.Refusals {
		if text := r.app.localText(f.Error()); !strings.Contains(r.said, text) {
			fmt.Fprintf(w, "%s\n", terminal.Clean(text, maxMessage))
		}
	}
	if text := r.app.localText(r.Problem); text != "" && !strings.Contains(r.said, text) {
		fmt.Fprintf(w, "%s\n", terminal.Clean(text, maxMessage))
	}
	for _, name := range r.Rejected {
		fmt.Fprintf(w, "rejected by the source: %s\n", terminal.Clean(name, maxMessage))
	}
	if !r.quiet && (r.said == "" || len(r.Records) > 0) {
		fmt.Fprintln(w, r.summary())
	}
	return nil
}

func (r Ran) summary() string {
	var total int64
	var parts []string
	for _, stream := range slices.Sorted(maps.Keys(r.Records)) {
		total += r.Records[stream]
		parts = append(parts, fmt.Sprintf("%s %d", terminal.Clean(stream, maxTitle), r.Records[stream]))
	}
	text := fmt.Sprintf("%s %s: %s", r.Connector, first(string(r.Done.Status), "ended"), plural(total, "record"))
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	if len(r.StateCommitted) > 0 {
		text += "; the next run goes on from here"
	}
	return text
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Run runs a connector. The records go to stdout or to a file; what is
// returned tells how it went, also beside an error.
func (a *App) Run(ctx context.Context, o Run) (Result, error) {
	if o.JSON && o.Out == "" {
		return nil, usage("with --json stdout is for the result, so the records need a file; give --out FILE")
	}
	if o.Unattended {
		a.Terminal = nil
	}
	grant, c, pkg, err := a.openFor(o.GrantFile, o.Connector)
	if err != nil {
		return nil, err
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	h, err := a.host(ctx, stores, o.Network)
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.Close(context.WithoutCancel(ctx)) }()
	loaded, err := a.load(ctx, h, pkg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = loaded.Close(context.WithoutCancel(ctx)) }()
	a.remember(c)
	ran, err := a.collect(ctx, h, loaded, o, grant)
	ran.app, ran.Scope, ran.quiet, ran.Out = a, a.scope(c.manifest.ConnectorKey), o.Quiet, o.Out
	if err != nil {
		ran.said = err.Error()
	}
	return ran, err
}

// collect runs the loaded connector into its sink.
func (a *App) collect(ctx context.Context, h *host.Host, c *host.Connector, o Run, grant *capabilities.Grant) (Ran, error) {
	watched := &watchedWriter{w: a.Stdout}
	var sink host.Sink = host.NewJSONLSink(watched.target())
	if o.Out != "" {
		out, err := a.openOut(o.Out)
		if err != nil {
			return Ran{}, err
		}
		defer out.Close()
		sink = out
	}
	screen := a.Progress
	if o.Out == "" && a.RecordsShown {
		screen = nil
	}
	observer := terminal.NewProgress(screen, a.Log)
	observer.Progress(abi.Progress{Message: c.Manifest().ConnectorKey + " is running…"})
	result, err := h.Run(ctx, c, host.RunOptions{
		Owner: a.Owner, Instance: a.Instance, Grant: grant,
		Full: o.Full, Unattended: a.Terminal == nil,
		Sink: sink, Observer: observer,
	})
	observer.Close()
	if watched.err != nil && ctx.Err() == nil {
		return Ran{Result: result}, sinkError(watched.err)
	}
	return Ran{Result: result}, a.localise(err)
}

// watchedWriter remembers why the records could not be written: by the time
// that a run has ended, that is hard to tell from what the connector made of
// it.
type watchedWriter struct {
	w   io.Writer
	err error
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

// target is what the sink gets: a file as it is, which it syncs.
func (w *watchedWriter) target() io.Writer {
	if f, ok := w.w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return f
		}
	}
	return w
}

func sinkError(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return internal("stdout was closed before the run had ended; the next run starts where this one did")
	}
	return internal("the records could not be written: %w; the next run starts where this one did", err)
}

// host builds a host from the stores, the configuration and n.
func (a *App) host(ctx context.Context, stores *Stores, n Network) (*host.Host, error) {
	c := host.NewConfig().
		WithVault(stores.Vault).
		WithApprovals(stores.Approvals).
		WithAuditor(stores.Audit).
		WithStateStore(stores.States).
		WithTurns(stores.Turns).
		WithMode(a.mode()).
		WithCompileCache(a.Home.ModulesDir()).
		WithLogger(a.Log)
	if a.Terminal != nil {
		c = c.WithPrompter(terminal.NewPrompter(a.Terminal))
	}
	limits, err := a.limits(n)
	if err != nil {
		return nil, err
	}
	c = c.WithLimits(limits)
	for name, addrs := range a.Config.AllowAddresses {
		for _, addr := range addrs {
			c = c.WithAddressException(strings.ToLower(name), addr)
		}
	}
	for _, arg := range n.AllowAddress {
		name, addr, err := parseException(arg)
		if err != nil {
			return nil, err
		}
		c = c.WithAddressException(name, addr)
	}
	if files := append(a.configCAs(), n.CAFiles...); len(files) > 0 {
		pool, err := readCAs(files)
		if err != nil {
			return nil, err
		}
		c = c.WithRootCAs(pool)
	}
	return host.New(ctx, c)
}

// check refuses what makes no sense, before anything is done that does not
// need it.
func (n Network) check() error {
	for _, arg := range n.AllowAddress {
		if _, _, err := parseException(arg); err != nil {
			return err
		}
	}
	for _, arg := range n.Limits {
		if err := setLimit(new(manifests.Limits), arg); err != nil {
			return err
		}
	}
	_, err := readCAs(n.CAFiles)
	return err
}

// limits are the configuration's, and over them the command's.
func (a *App) limits(n Network) (l manifests.Limits, err error) {
	if l, err = a.Config.RunLimits(); err != nil {
		return l, err
	}
	for _, arg := range n.Limits {
		if err := setLimit(&l, arg); err != nil {
			return l, err
		}
	}
	return l, nil
}

func setLimit(l *manifests.Limits, arg string) error {
	name, value, _ := strings.Cut(arg, "=")
	if err := l.Set(name, value); err != nil {
		return usage("--limit %s: %s; write NAME=VALUE, like wall=PT10M or records=1000", arg, err)
	}
	return nil
}

func (a *App) mode() capabilities.Mode {
	if a.Config.Mode != "" {
		return a.Config.Mode
	}
	return capabilities.ModeLocal
}

func parseException(arg string) (string, netip.AddrPort, error) {
	name, text, ok := strings.Cut(arg, "=")
	addr, err := netip.ParseAddrPort(text)
	if !ok || name == "" || err != nil {
		return "", addr, usage("--allow-address %s: write HOST=IP:PORT, like dav.example.test=127.0.0.1:5232", arg)
	}
	return strings.ToLower(name), addr, nil
}

// configCAs are relative to the configuration that names them.
func (a *App) configCAs() []string {
	files := slices.Clone(a.Config.CAFiles)
	for i, f := range files {
		if !filepath.IsAbs(f) {
			files[i] = filepath.Join(a.Home.Config, f)
		}
	}
	return files
}

func readCAs(files []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, file := range files {
		pem, err := readLimited(file, maxCABytes)
		if err != nil {
			return nil, fileError("authorities", file, err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usage("authorities %s: the file holds no certificate in PEM form", file)
		}
	}
	return pool, nil
}

const maxCABytes = 4 << 20

// load loads a package; compiling it for the first time takes a while.
func (a *App) load(ctx context.Context, h *host.Host, pkg host.Package) (*host.Connector, error) {
	if a.Progress != nil {
		a.Progress.Status("checking and compiling the connector (the first time takes longer)…")
		defer a.Progress.Status("")
	}
	c, err := h.Load(ctx, pkg)
	return c, a.localise(err)
}
