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
// the time and memory it is given. Whoever runs code as the host's own user,
// or can write to its compile cache, is on this side of the wall.
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
	"log/slog"
	"net/netip"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The errors a caller can act on. What [Host.Load] and [Host.Run] return
// wraps at most one of them; what wraps none is a failure of the host itself.
var (
	// ErrRefused: a rule said no. The error is a [*Refusal] or wraps one.
	ErrRefused = errors.New("refused")
	// ErrNeedsOwner: only the owner can go on: approve, enter or renew.
	ErrNeedsOwner = errors.New("needs the owner")
	// ErrSourceFailed: the source could not be reached or made no sense, or
	// the connector failed on it.
	ErrSourceFailed = errors.New("the source failed")
	// ErrDeclined and ErrUnattended are a [Prompter]'s.
	ErrDeclined   = errors.New("the owner declined")
	ErrUnattended = errors.New("nobody is there to answer")
)

// Refusal says what was refused, why, and what would allow it.
type Refusal struct {
	Thing  string `json:"thing"`  // "import sallyport:stream/v1.open"
	Reason string `json:"reason"` // "the manifest has no egress rule for imap, smtp or tls"
	Remedy string `json:"remedy"` // "add one to egress", "" when nothing would
	Rule   string `json:"rule,omitempty"`
	// NeedsOwner says that it is the owner who can allow it.
	NeedsOwner bool `json:"needs_owner,omitempty"`
}

// Config says what a host is built of. The zero value is not of use: start
// with [NewConfig]. Each With method returns a changed copy, so that a Config
// can be shared and built upon.
type Config struct{ c config }

type config struct {
	vault      vaultstore.Store
	approvals  Approvals
	auditor    Auditor
	states     StateStore
	prompter   Prompter
	mode       capabilities.Mode
	cacheDir   string
	roots      *x509.CertPool
	exceptions map[string][]netip.AddrPort
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
	next[host] = append(next[host][:len(next[host]):len(next[host])], addr)
	c.c.exceptions = next
	return c
}

// WithLogger sets where the host logs; never a value. The default discards.
func (c Config) WithLogger(l *slog.Logger) Config { c.c.logger = l; return c }

// Package is a connector as it is distributed: a manifest and its guests.
type Package struct {
	Manifest []byte
	Modules  map[abi.Role][]byte
}

// ReadPackage reads the manifest at path, or manifest.json when path is a
// folder, and each module that it names, none outside the manifest's folder.
func ReadPackage(path string) (Package, error) { return Package{}, errors.ErrUnsupported }

// ModuleInfo is what a module says of itself, without running or compiling
// it.
type ModuleInfo struct {
	SHA256  string   `json:"sha256"`
	Bytes   int      `json:"bytes"`
	Imports []string `json:"imports"` // "sallyport:run/v1.emit", ordered
	Exports []string `json:"exports"`
}

// Inspect reads a module's sections.
func Inspect(module []byte) (ModuleInfo, error) { return ModuleInfo{}, errors.ErrUnsupported }

// Host runs connectors.
type Host struct{}

// New builds a host. It starts nothing and calls nobody.
func New(ctx context.Context, c Config) (*Host, error) { return nil, errors.ErrUnsupported }

// Close stops the runs that still go on and releases what the host holds; the
// stores and sinks that it was given stay open.
func (h *Host) Close(ctx context.Context) error { return nil }

// Connector is a loaded package: checked, linked and compiled, not running.
type Connector struct{}

// Load checks a package and compiles its modules. A module that imports what
// its manifest and role do not give it, or whose digest is not the stated
// one, is refused before it is compiled.
func (h *Host) Load(ctx context.Context, p Package) (*Connector, error) {
	return nil, errors.ErrUnsupported
}

// Manifest returns the connector's manifest.
func (c *Connector) Manifest() *manifests.Manifest { return nil }

// Modules says what the modules are, by role.
func (c *Connector) Modules() map[abi.Role]ModuleInfo { return nil }

// Close releases the compiled modules. Runs that go on are not disturbed.
func (c *Connector) Close(ctx context.Context) error { return nil }

// RunOptions says how to run a connector.
type RunOptions struct {
	Owner    string              // default "owner"
	Instance string              // default "default"
	Grant    *capabilities.Grant // default the owner's own, over all streams
	Role     abi.Role            // default collector
	// Full asks for everything again: the stored state is not handed in.
	Full bool
	// Unattended says that nobody is there: a question ends the run with
	// recovery hint refresh_credentials.
	Unattended bool
	Sink       Sink     // default: records are counted and dropped
	Observer   Observer // default: nobody looks
}

// Result is how a run ended. It is filled in as far as the run came, also
// when [Host.Run] returns an error.
type Result struct {
	RunID          string           `json:"run_id"`
	Done           abi.Done         `json:"done"`
	Records        map[string]int64 `json:"records"` // by stream, deletes among them
	StateCommitted []string         `json:"state_committed"`
	Refusals       []Refusal        `json:"refusals"`          // each once
	Rejected       []string         `json:"rejected"`          // credentials that the source refused
	Problem        string           `json:"problem,omitempty"` // the host's own words for the owner
}

// Run runs a connector to its end and returns nil when DONE said succeeded
// and its state is committed. It ends soon after ctx is done or the approval
// is revoked, whatever the guest does.
func (h *Host) Run(ctx context.Context, c *Connector, o RunOptions) (Result, error) {
	return Result{}, errors.ErrUnsupported
}
