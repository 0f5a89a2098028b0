package host

import (
	"crypto/x509"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// Config says what a host is built of. The zero value is not of use: start
// with [NewConfig]. Each With method returns a changed copy, so that a Config
// can be shared and built upon.
type Config struct{ c config }

type config struct {
	vault      vaultstore.Store
	approvals  Approvals
	auditor    Auditor
	states     StateStore
	turns      Turns
	prompter   Prompter
	mode       capabilities.Mode
	cacheDir   string
	roots      *x509.CertPool
	exceptions map[string][]netip.AddrPort
	limits     manifests.Limits
	logger     *slog.Logger
}

// NewConfig returns a configuration for a host that keeps everything in
// memory, asks nobody, reaches public addresses only and logs nowhere.
func NewConfig() Config { return Config{} }

// WithVault sets where credentials are.
func (c Config) WithVault(s vaultstore.Store) Config { c.c.vault = s; return c }

// WithApprovals sets where the owner's approvals are. The default holds none,
// so that every use is refused.
func (c Config) WithApprovals(a Approvals) Config { c.c.approvals = a; return c }

// WithAuditor sets where the audit log goes.
func (c Config) WithAuditor(a Auditor) Config { c.c.auditor = a; return c }

// WithStateStore sets where cursors are kept between runs.
func (c Config) WithStateStore(s StateStore) Config { c.c.states = s; return c }

// WithTurns sets how those who share the vault take turns to renew a token. The
// default is for this process alone.
func (c Config) WithTurns(t Turns) Config { c.c.turns = t; return c }

// WithPrompter sets who answers for the owner. The default is nobody.
func (c Config) WithPrompter(p Prompter) Config { c.c.prompter = p; return c }

// WithMode sets how the host is deployed; the default is
// capabilities.ModeLocal.
func (c Config) WithMode(m capabilities.Mode) Config { c.c.mode = m; return c }

// WithCompileCache keeps compiled modules in dir, which must be the host's
// own: mode 0700, same user, no symbolic link. It is made if it is not there,
// and not used, with a warning to the logger, when it cannot be trusted.
//
// # Why
//
// The files in it are native code, guarded by a checksum only: whoever can
// write to dir runs code in the host.
func (c Config) WithCompileCache(dir string) Config { c.c.cacheDir = dir; return c }

// WithRootCAs replaces the system's certificate authorities.
func (c Config) WithRootCAs(p *x509.CertPool) Config { c.c.roots = p; return c }

// WithAddressException lets connections to host, by that exact name, go to
// addr, and to nothing else. Without one, loopback, private, link-local and
// other special addresses are refused, and so is plain http.
func (c Config) WithAddressException(host string, addr netip.AddrPort) Config {
	next := make(map[string][]netip.AddrPort, len(c.c.exceptions)+1)
	for h, a := range c.c.exceptions {
		next[h] = a
	}
	host = strings.ToLower(host)
	next[host] = append(next[host][:len(next[host]):len(next[host])], addr)
	c.c.exceptions = next
	return c
}

// WithLimits bounds every run, whatever its manifest asks for. Zero members
// leave the host's defaults.
func (c Config) WithLimits(l manifests.Limits) Config { c.c.limits = l; return c }

// WithLogger sets where the host logs; never a value. The default discards.
func (c Config) WithLogger(l *slog.Logger) Config { c.c.logger = l; return c }

// withDefaults fills in what was not set.
func (c config) withDefaults() config {
	if c.vault == nil {
		c.vault = memory.New()
	}
	if c.approvals == nil {
		c.approvals = NewMemoryApprovals()
	}
	if c.auditor == nil {
		c.auditor = NewMemoryAuditor()
	}
	if c.states == nil {
		c.states = NewMemoryState()
	}
	if c.turns == nil {
		c.turns = NewMemoryTurns()
	}
	if c.prompter == nil {
		c.prompter = Nobody()
	}
	if c.mode == "" {
		c.mode = capabilities.ModeLocal
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c
}
