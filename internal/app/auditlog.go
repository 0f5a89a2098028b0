package app

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/audit"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// auditLog is the audit log on disk, whose end the vault remembers.
type auditLog struct {
	log   *audit.Log
	key   []byte
	marks vaultstore.Marks
	wrote atomic.Bool
	sound atomic.Bool // the line that the vault remembers is there

	once    sync.Once
	serials map[capabilities.Scope]uint64 // the highest that the log tells of
	readErr error
}

var _ Audit = (*auditLog)(nil)

// anchorOwner is whose mark remembers the end of the log, which is one for
// all owners.
const anchorOwner = capabilities.DefaultOwner

// anchorWait bounds the anchoring at the end of a command, which may have
// been cancelled.
const anchorWait = 5 * time.Second

func (l *auditLog) Append(ctx context.Context, events ...host.Event) error {
	if !l.sound.Load() {
		// Before the first line of this process: what is added to a log that
		// was cut would cover up what is missing.
		if err := l.log.Anchored(ctx, l.marks, anchorOwner); err != nil {
			return err
		}
		l.sound.Store(true)
	}
	l.wrote.Store(true)
	return l.log.Append(ctx, events...)
}

func (l *auditLog) Rotate(ctx context.Context, now time.Time) (kept string, err error) {
	if kept, err = l.log.Rotate(ctx, l.marks, anchorOwner, now); err != nil {
		return kept, err
	}
	return kept, l.Append(ctx, host.Event{Time: now.UTC(), Kind: host.EventAudit, Op: "rotate", Allowed: true, Rule: "rotated"})
}

// serial returns the highest serial of scope that the log tells of, as it was
// when it was first asked: what this process adds, the vault's mark knows. So
// an approval that was taken back does not live again when vault and approvals
// are put back together to an earlier day, and the log is not.
func (l *auditLog) serial(ctx context.Context, scope capabilities.Scope) (uint64, error) {
	l.once.Do(func() {
		l.serials = map[capabilities.Scope]uint64{}
		for line, err := range l.Read(ctx, audit.Filter{}) {
			switch {
			case errors.Is(err, audit.ErrTampered): // what is written next is refused for it
			case err != nil:
				l.readErr = err
			case line.Torn == nil && line.Event.Serial > l.serials[line.Event.Scope]:
				l.serials[line.Event.Scope] = line.Event.Serial
			}
		}
	})
	return l.serials[scope], l.readErr
}

func (l *auditLog) Read(ctx context.Context, f audit.Filter) iter.Seq2[audit.Line, error] {
	return func(yield func(audit.Line, error) bool) {
		r, err := l.log.Snapshot(ctx)
		if err != nil {
			yield(audit.Line{}, err)
			return
		}
		defer r.Close()
		for line, err := range audit.Read(r, f) {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(line, err) || ctx.Err() != nil {
				return
			}
		}
	}
}

func (l *auditLog) Verify(ctx context.Context) (audit.Report, error) {
	// The anchor first: what is appended meanwhile only makes the log longer.
	anchor, err := audit.AnchorIn(ctx, l.marks, anchorOwner)
	if err != nil {
		return audit.Report{}, err
	}
	r, err := l.log.Snapshot(ctx)
	if err != nil {
		return audit.Report{}, err
	}
	defer r.Close()
	return audit.VerifyAnchored(r, l.key, anchor)
}

// close tells the vault where the log ends. That it cannot is worth a
// warning, no more: the chain itself is whole.
func (l *auditLog) close(logger *slog.Logger) error {
	if l.wrote.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), anchorWait)
		defer cancel()
		if err := l.log.Anchor(ctx, l.marks, anchorOwner); err != nil {
			logger.Warn("the end of the audit log was not noted in the vault", "why", err.Error())
		}
	}
	clear(l.key)
	return l.log.Close()
}
