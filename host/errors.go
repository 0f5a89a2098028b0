package host

import (
	"errors"

	"github.com/sallyport-host/sallyport/host/internal/profile"
)

// The errors a caller can act on. What [Host.Load] and [Host.Run] return
// wraps at most one of the first three; what wraps none is a failure of the
// host itself, or the context's error.
var (
	// ErrRefused: a rule said no. The error is a [*Refusal] or wraps one.
	ErrRefused = errors.New("refused")
	// ErrNeedsOwner: only the owner can go on: approve, enter or renew.
	ErrNeedsOwner = errors.New("needs the owner")
	// ErrSourceFailed: the source could not be reached or made no sense, or
	// the connector failed on it.
	ErrSourceFailed = errors.New("the source failed")
	// ErrSpent is a [Spender]'s: the grant is for a single use, which was made.
	ErrSpent = errors.New("the single use of this grant is spent")
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

// Error is one line: the thing, the reason, the remedy.
func (r *Refusal) Error() string {
	s := r.Thing + " refused: " + r.Reason
	if r.Remedy != "" {
		s += "; " + r.Remedy
	}
	return s
}

// Is makes errors.Is(err, ErrRefused) true, or ErrNeedsOwner when it is the
// owner who can allow it.
func (r *Refusal) Is(target error) bool {
	if r.NeedsOwner {
		return target == ErrNeedsOwner
	}
	return target == ErrRefused
}

// oneLine makes a text of unknown make fit for a message to the owner.
func oneLine(s string) string {
	b := []byte(profile.Clip(s, 512))
	for i, c := range b {
		if c == '\n' || c == '\t' {
			b[i] = ' '
		}
	}
	return string(b)
}
