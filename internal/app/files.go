package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-host/sallyport/internal/approvals"
	"github.com/sallyport-host/sallyport/internal/audit"
	"github.com/sallyport-host/sallyport/internal/home"
	"github.com/sallyport-host/sallyport/internal/statefile"
	"github.com/sallyport-host/sallyport/internal/turnfile"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/agefile"
)

// diskFiles keeps everything in the folders of a home.
type diskFiles struct {
	home   home.Home
	logger *slog.Logger
}

var _ Files = diskFiles{}

// NewFiles returns the stores of h: an age vault, and beside it the signed
// approvals, the audit log and the cursors, whose keys come from the vault's.
func NewFiles(h home.Home, l *slog.Logger) Files { return diskFiles{h, l} }

func (f diskFiles) Exists() (bool, error) { return agefile.Exists(f.home.VaultDir()), nil }

func (f diskFiles) Vacant(ctx context.Context) error {
	vault, err := agefile.Open(ctx, agefile.Options{Dir: f.home.VaultDir(), KeysDir: f.home.KeysDir()})
	switch {
	case err == nil:
		_ = vault.Close() // nothing was written
		return refused("%w", occupied(fmt.Sprintf("there is a vault in %s; it was left as it is", f.home.VaultDir())))
	case !errors.Is(err, vaultstore.ErrNotInitialised):
		return err
	}
	for _, dir := range []string{f.home.VaultDir(), filepath.Join(f.home.KeysDir(), "owners")} {
		name, err := firstIn(dir)
		if err != nil {
			return internal("look into %s: %w", dir, err)
		}
		if name != "" {
			return refused("%w", occupied(fmt.Sprintf(
				"there is no vault, but %s holds %q, which may be what is left of one; restore the rest from a backup, or move it away to start anew", dir, name)))
		}
	}
	return nil
}

// firstIn returns a name in dir that is neither a lock nor the rest of an
// unfinished write, "" when there is none.
func firstIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		if name := e.Name(); name != "locks" && !strings.HasPrefix(name, ".") {
			return name, nil
		}
	}
	return "", nil
}

// occupied says what is where a vault would be made.
type occupied string

func (o occupied) Error() string { return string(o) }
func (o occupied) Unwrap() error { return fs.ErrExist }

func (f diskFiles) NewRecovery() (vaultstore.Secret, string, error) {
	return agefile.GenerateRecovery()
}

func (f diskFiles) Init(ctx context.Context, recipient string) error {
	_, err := agefile.Init(ctx, f.home.VaultDir(), agefile.InitOptions{KeysDir: f.home.KeysDir(), RecoveryRecipient: recipient})
	if errors.Is(err, fs.ErrExist) {
		return refused("%w", occupied(fmt.Sprintf("there is a vault, or the rest of one, in %s or %s; restore the other half from a backup, or move both away",
			f.home.VaultDir(), f.home.KeysDir())))
	}
	return err
}

// The labels under which the host's keys are derived. They are part of the
// format: another label is another key.
const (
	approvalsLabel = "approvals/v1"
	auditLabel     = "audit/v1"
)

func (f diskFiles) Open(ctx context.Context) (*Stores, error) {
	vault, err := agefile.Open(ctx, agefile.Options{Dir: f.home.VaultDir(), KeysDir: f.home.KeysDir()})
	if err != nil {
		return nil, err
	}
	s := &Stores{Vault: vault, closers: []func() error{vault.Close}}
	if err := f.openRest(ctx, vault, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (f diskFiles) openRest(ctx context.Context, vault *agefile.Store, s *Stores) error {
	seed, err := vault.HostKey(ctx, approvalsLabel)
	if err != nil {
		return err
	}
	defer clear(seed)
	key, err := vault.HostKey(ctx, auditLabel)
	if err != nil {
		return err
	}
	log, err := audit.Open(f.home.AuditDir(), key)
	if err != nil {
		return err
	}
	chain := &auditLog{log: log, key: key, marks: vault}
	s.Audit, s.closers = chain, append(s.closers, func() error { return chain.close(f.logger) })
	grants, err := approvals.Open(approvals.Options{
		Dir: f.home.ApprovalsDir(), Key: ed25519.NewKeyFromSeed(seed), Marks: vault, Seen: chain.serial,
	})
	if err != nil {
		return err
	}
	s.Approvals, s.closers = grants, append(s.closers, grants.Close)
	states, err := statefile.Open(f.home.CursorsDir())
	if err != nil {
		return err
	}
	s.States, s.closers = states, append(s.closers, states.Close)
	turns, err := turnfile.Open(f.home.LocksDir())
	if err != nil {
		return err
	}
	s.Turns, s.closers = turns, append(s.closers, turns.Close)
	return nil
}
