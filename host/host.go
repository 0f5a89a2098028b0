// Package host runs connectors: untrusted WebAssembly guests that may use an
// owner's credentials and never hold them.
//
// # Promise
//
// A guest reaches nothing but what its manifest declares, its role allows and
// the owner's approval covers. It has no environment, no files and no
// sockets. Where it needs a secret it holds a surrogate, and the host puts the
// value in on the way out, only where the approval says. What is refused is
// refused by default, audited before it takes effect, and told to the owner
// with its reason and remedy; the guest learns no more than a status.
//
// # Limits
//
// A source that gets a secret can do with it what it likes. A guest can waste
// the time and memory it is given, and no more: what it computes is metered. Whoever runs code as the host's own user,
// or can write to its compile cache, is on this side of the wall.
//
// net/http gives what a source sends unasked, after an answer's end, to the
// log package's standard logger, where no guard looks. That logger is the main
// program's, and it has to discard what comes there: log.SetOutput(io.Discard).
//
// # Concurrency
//
// A [Host], and what [Host.Load] returns, are safe for concurrent use, and
// many runs may go on at once. Two hosts in one process share nothing.
package host

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/sallyport-host/sallyport/host/internal/egress"
	"github.com/sallyport-host/sallyport/host/internal/knobs"
	"github.com/sallyport-host/sallyport/host/internal/oauth"
	"github.com/sallyport-host/sallyport/manifests"
)

// Host runs connectors.
type Host struct {
	config
	knobs    knobs.Knobs
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil when there is none
	dialer   *egress.Dialer
	renewals oauth.Renewals

	mu         sync.Mutex
	closed     bool
	runs       map[*run]struct{}
	ended      sync.Cond // a run left runs
	transports map[account]*pool
}

// pool is the connections of one account, while runs use it and a while on.
type pool struct {
	*egress.Client
	users int
}

// maxIdlePools is how many accounts' connections are kept that no run uses.
const maxIdlePools = 64

// account is what connections are never shared beyond.
type account struct{ owner, connector, instance string }

// New builds a host. It starts nothing and calls nobody.
func New(ctx context.Context, c Config) (*Host, error) {
	h := &Host{
		config:     c.c.withDefaults(),
		knobs:      knobs.From(ctx),
		runs:       map[*run]struct{}{},
		transports: map[account]*pool{},
	}
	h.ended.L = &h.mu
	if !h.mode.Valid() {
		return nil, fmt.Errorf("mode %q is unknown: it is local or hosted", h.mode)
	}
	for name, addrs := range h.exceptions {
		for _, a := range addrs {
			h.logger.InfoContext(ctx, "address exception", "host", name, "address", a.String())
		}
	}
	h.dialer = egress.NewDialer(egress.Exceptions(h.exceptions), nil)
	rc := wazero.NewRuntimeConfig().
		WithMemoryLimitPages(uint32(maxMemory / wasmPage)).
		WithDebugInfoEnabled(!h.knobs.NoInterrupt) // its reader trusts its input, which is what the meter wrote
	if h.cacheDir != "" {
		cache, err := openCompileCache(h.cacheDir)
		if err != nil {
			h.logger.WarnContext(ctx, "compile cache not used", "dir", h.cacheDir, "why", err.Error())
		} else {
			h.cache = cache
			rc = rc.WithCompilationCache(cache)
		}
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	if err := h.registerModules(ctx); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	return h, nil
}

// Close stops the runs that still go on, waits for their end, and releases
// what the host holds; the stores and sinks that it was given stay open. When
// ctx ends first, it returns ctx's error and releases nothing: call it again.
func (h *Host) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended.Broadcast()
	})
	defer stop()
	h.mu.Lock()
	h.closed = true
	for r := range h.runs {
		r.stop(errHostClosed)
	}
	for len(h.runs) > 0 && ctx.Err() == nil {
		h.ended.Wait()
	}
	if n := len(h.runs); n > 0 {
		h.mu.Unlock()
		return fmt.Errorf("%d runs have not ended: %w", n, ctx.Err())
	}
	if err := h.renewals.Wait(ctx); err != nil { // a token that was spent is not lost
		h.mu.Unlock()
		return fmt.Errorf("a token is being renewed: %w", err)
	}
	for _, t := range h.transports {
		t.CloseIdleConnections()
	}
	h.mu.Unlock()
	errs := []error{h.runtime.Close(ctx)}
	if h.cache != nil {
		errs = append(errs, h.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

var errHostClosed = errors.New("the host is closing")

func (h *Host) enter(r *run) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errHostClosed
	}
	h.runs[r] = struct{}{}
	return nil
}

func (h *Host) leave(r *run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.runs, r)
	h.ended.Broadcast()
}

// connections returns the connections of one account at one connector, and
// what to call when they are no longer used.
func (h *Host) connections(a account, m *manifests.Manifest) (t http.RoundTripper, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.transports[a]
	if !ok {
		var roots *x509.CertPool
		if h.roots != nil {
			roots = h.roots.Clone()
		}
		p = &pool{Client: egress.NewClient(egress.NewTransport(h.dialer, roots), egress.Limits{})}
		h.transports[a] = p
	}
	perMinute, concurrency := h.rates(m)
	p.SetLimits(egress.Limits{RequestsPerMinute: perMinute, Concurrency: concurrency})
	p.users++
	return p.Client, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		p.users--
		h.trimPools()
	}
}

// trimPools lets go of connections that no run uses, when there are many.
func (h *Host) trimPools() {
	idle := 0
	for a, p := range h.transports {
		if p.users > 0 {
			continue
		}
		if idle++; idle > maxIdlePools {
			p.CloseIdleConnections()
			delete(h.transports, a)
		}
	}
}
