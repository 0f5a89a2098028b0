package app

import (
	"context"
	"iter"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/audit"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Files opens and makes the stores of an installation.
type Files interface {
	// Exists reports whether there is a vault. What cannot be told is an
	// error.
	Exists() (bool, error)
	// Vacant refuses places that hold a vault or what is left of one, so that
	// [Files.Init] would. It makes and changes nothing.
	Vacant(ctx context.Context) error
	// NewRecovery makes a recovery identity; nothing is written.
	NewRecovery() (identity vaultstore.Secret, recipient string, err error)
	// Init makes the vault, sealed to recipient too. It wraps fs.ErrExist when
	// the places are not vacant, and has then made nothing.
	Init(ctx context.Context, recipient string) error
	// Open opens all stores.
	Open(ctx context.Context) (*Stores, error)
}

// Stores are what the commands work on.
type Stores struct {
	Vault     vaultstore.Store
	Approvals Approvals
	Audit     Audit
	States    host.StateStore
	Turns     host.Turns
	closers   []func() error
}

// Close releases the stores, the last opened first.
func (s *Stores) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		_ = s.closers[i]() // everything that was acknowledged is durable already
	}
}

// Approvals is where the owner's approvals are kept.
type Approvals interface {
	host.Approvals
	host.Suspender
	host.Spender
	// Approve signs and keeps a, with the id and serial that it then has.
	Approve(ctx context.Context, a capabilities.Approval) (capabilities.Approval, error)
	// Revoke takes back whatever was approved for scope.
	Revoke(ctx context.Context, scope capabilities.Scope) (capabilities.Revocation, error)
	// List returns the scopes of owner that were ever approved, in order; with
	// an error, a line for each thing that cannot be read, the others.
	List(ctx context.Context, owner string) ([]capabilities.Scope, error)
}

// Audit is the audit log.
type Audit interface {
	host.Auditor
	// Read yields the lines that f chooses, oldest first. An error that wraps
	// audit.ErrTampered is one of a line, any other ends the sequence.
	Read(ctx context.Context, f audit.Filter) iter.Seq2[audit.Line, error]
	// Verify checks all of it. The error is that it could not be read; what is
	// wrong with it is in the report.
	Verify(ctx context.Context) (audit.Report, error)
	// Rotate moves the log aside, whatever is wrong with it, and begins
	// another. kept is the old one's file name, "" when there was none.
	Rotate(ctx context.Context, now time.Time) (kept string, err error)
}
