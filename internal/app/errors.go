package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/audit"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/internal/statefile"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// Code is the exit code of a command.
type Code int

// The exit codes. Each says who has to do something.
const (
	OK           Code = 0
	Usage        Code = 2   // the command line, a file it names or the configuration is wrong
	Refused      Code = 3   // a rule said no; the same command will be refused again
	NeedsOwner   Code = 4   // the owner has to answer, approve, enter or renew something
	SourceFailed Code = 5   // the source, or the connector on it, failed
	Internal     Code = 6   // the disk, another process or the program itself
	Interrupted  Code = 130 // a signal or Ctrl-C
)

// Codes lists the exit codes with their meaning, for help texts.
func Codes() []struct {
	Code Code
	Text string
} {
	return []struct {
		Code Code
		Text string
	}{
		{OK, "done"},
		{Usage, "usage: the command line, a file that it names or the configuration is wrong"},
		{Refused, "refused: a rule said no, or a manifest, module, vault or audit log cannot be trusted"},
		{NeedsOwner, "needs the owner: to initialise, approve, confirm, enter or renew"},
		{SourceFailed, "the source failed, or the connector on it"},
		{Internal, "internal: the disk, another process, a closed output, or a bug"},
		{Interrupted, "interrupted by a signal"},
	}
}

// String is the code's name in JSON.
func (c Code) String() string {
	switch c {
	case OK:
		return "ok"
	case Usage:
		return "usage"
	case Refused:
		return "refused"
	case NeedsOwner:
		return "needs_owner"
	case SourceFailed:
		return "source_failed"
	case Interrupted:
		return "interrupted"
	}
	return "internal"
}

// Error is a failure whose exit code is known.
type Error struct {
	Code Code
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

func fail(c Code, format string, args ...any) error { return &Error{c, fmt.Errorf(format, args...)} }

func usage(format string, args ...any) error      { return fail(Usage, format, args...) }
func refused(format string, args ...any) error    { return fail(Refused, format, args...) }
func needsOwner(format string, args ...any) error { return fail(NeedsOwner, format, args...) }
func internal(format string, args ...any) error   { return fail(Internal, format, args...) }

// UsageError is for what the command line itself is wrong about.
func UsageError(format string, args ...any) error { return usage(format, args...) }

// BugError is for a panic with v, of which only the type is told: it may hold
// what was being worked on.
func BugError(v any, stack []byte) error {
	return internal("internal: a bug (%T); please report this: %s", v, stack)
}

// Exit is the exit code for err. An [*Error] states its own; else what err
// wraps decides, and what is not known is [Internal].
func Exit(err error) Code {
	var own *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.Code
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, host.ErrRefused):
		return Refused
	case errors.Is(err, host.ErrNeedsOwner), errors.Is(err, host.ErrDeclined), errors.Is(err, host.ErrUnattended):
		return NeedsOwner
	case errors.Is(err, host.ErrSourceFailed):
		return SourceFailed
	}
	if faults := (*manifests.Faults)(nil); errors.As(err, &faults) {
		return Refused
	}
	return exitOfStore(err)
}

func exitOfStore(err error) Code {
	for _, kind := range []struct {
		code Code
		errs []error
	}{
		{NeedsOwner, []error{vaultstore.ErrNotInitialised, vaultstore.ErrSealed}},
		{Refused, []error{vaultstore.ErrTampered, vaultstore.ErrRollback, vaultstore.ErrMissing, vaultstore.ErrClass,
			vaultstore.ErrPermissions, privatedir.ErrUnsafe, audit.ErrTampered, statefile.ErrCorrupt}},
		{Usage, []error{vaultstore.ErrNotFound, vaultstore.ErrInvalid, vaultstore.ErrTooLarge}},
		{Internal, []error{vaultstore.ErrLocked, vaultstore.ErrConflict, vaultstore.ErrUnknownOutcome, vaultstore.ErrClosed}},
	} {
		for _, e := range kind.errs {
			if errors.Is(err, e) {
				return kind.code
			}
		}
	}
	return Internal
}

// asked words what became of a question to the person.
func asked(err error) error {
	switch {
	case errors.Is(err, terminal.ErrEnd):
		return needsOwner("not answered; nothing was changed")
	case errors.Is(err, terminal.ErrAttempts):
		return needsOwner("too many wrong answers; nothing was changed")
	case errors.Is(err, terminal.ErrTooLong):
		return usage("%w; nothing was changed; give --file FILE", terminal.ErrTooLong)
	case errors.Is(err, terminal.ErrLines):
		return usage("%w; nothing was changed; give --file FILE", terminal.ErrLines)
	}
	return err
}

// fileError words an error on a file that the command line names.
func fileError(flag, path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the path is said once
	}
	return usage("%s %s: %w", flag, path, err)
}
