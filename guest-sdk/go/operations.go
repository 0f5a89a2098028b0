package sallyport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Sign has the host sign data with a credential that the manifest declares
// with access sign, by a template under its "sign", and returns a surrogate of
// the result: the key never comes here, and neither does the signature. It goes
// where the credential's send_to says, in the place of what it stands for.
//
// Of an HMAC, data are the bytes that are signed, at most 64 KiB. Of a JWT they
// are a JSON object of the claims that the template leaves open, or nil where
// it leaves none. Of AWS Signature Version 4 they are nil: the surrogate stands
// alone in the header Authorization, and the host signs the request as it sends
// it.
//
// The error is [ErrDenied], [ErrNotFound], [ErrExpired], [ErrRejected], or
// [ErrInvalid] when there is no such template or data do not fit it.
func (r *Run) Sign(name, template string, data []byte) (Surrogate, error) {
	if len(data) > abi.MaxSignBytes {
		return "", &Error{Op: "sign with", Name: name, Status: ErrTooLarge}
	}
	return r.surrogate("sign with", name, func(out []byte) abi.Result { return r.host.Sign(name, template, data, out) })
}

// TOTP returns a surrogate of the one-time code (RFC 6238) of a credential that
// the manifest declares with access totp. The host puts in the code of the
// moment at which it is sent.
func (r *Run) TOTP(name string) (Surrogate, error) {
	return r.surrogate("code of", name, func(out []byte) abi.Result { return r.host.TOTP(name, out) })
}

func (r *Run) surrogate(op, name string, call func(out []byte) abi.Result) (Surrogate, error) {
	var room [abi.SurrogateLen]byte
	value, err := r.result(op, name, room[:], call)
	return Surrogate(value), err
}

// PutOptions say more of what is put.
type PutOptions struct {
	// ExpiresAt is when the source said that the credential ends; zero when
	// it did not.
	ExpiresAt time.Time
}

// Put hands over a new secret, to be kept as the credential of that name. The
// host took it out of an answer by the manifest's capture rule, and captured is
// the surrogate that stood in its place; of a session any of its cookies stands
// for all. Nothing else can be put: no text of the connector's own, no other
// credential's surrogate. What is put is pending until the run has ended and
// the host has seen it work for the same account.
//
// Only the modules of the roles bootstrap and auto_login may call it: a
// collector that does is refused at load. The error is [ErrDenied] when the
// role does not keep credentials of that class, the surrogate was not captured
// for that name, or the owner entered what is there; [ErrInvalid] or
// [ErrUnavailable].
func (r *Run) Put(name string, captured Surrogate, o PutOptions) error {
	var meta []byte
	if !o.ExpiresAt.IsZero() {
		var err error
		meta, err = json.Marshal(map[string]string{"expires_at": o.ExpiresAt.UTC().Format(time.RFC3339)})
		if err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
	}
	if st := r.host.Put(name, string(captured), meta).Status(); st != abi.StatusOK {
		return r.refused("put", name, st)
	}
	return nil
}

// Reveal returns the VALUE ITSELF of a credential: the one call of this package
// after which a secret is in the connector's memory. It is for the rare library
// that computes with a secret in a way that [Run.Sign] does not offer. The
// manifest has to declare access reveal for the credential, and the owner has
// to approve that word; a password is never revealed.
//
// Whatever carries the value out, a request, a record, a log line, a panic's
// text, stops the run with [ErrLeakBlocked]; so does a request that means to
// authenticate with it, which is what [Run.Credential] is for.
//
// The error is [ErrDenied], [ErrNotFound], [ErrExpired] or [ErrRejected].
func (r *Run) Reveal(name string) (*Revealed, error) {
	var room [256]byte // most values
	defer clear(room[:])
	value, err := r.result("reveal", name, room[:], func(out []byte) abi.Result { return r.host.Reveal(name, out) })
	if err != nil {
		return nil, err
	}
	kept := append([]byte(nil), value...)
	clear(value)
	return &Revealed{value: func() []byte { return kept }}, nil
}

// Revealed is a credential's value. However it is printed, logged or formatted,
// also inside another value, it does not show; encoding/json refuses it.
type Revealed struct{ value func() []byte }

var (
	_ fmt.Formatter  = (*Revealed)(nil)
	_ slog.LogValuer = (*Revealed)(nil)
	_ json.Marshaler = (*Revealed)(nil)
)

// revealedText is what shows in the value's place.
const revealedText = "[revealed]"

// Bytes returns the value. It is the Revealed's own: do not change it, nor keep
// it past [Revealed.Wipe].
func (v *Revealed) Bytes() []byte { return v.value() }

// Wipe overwrites the value. Copies of it stay what they are.
func (v *Revealed) Wipe() { clear(v.value()) }

// String returns a text that does not show the value.
func (v *Revealed) String() string { return revealedText }

// Format writes the same for every verb.
func (v *Revealed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, revealedText) }

// LogValue logs the same.
func (v *Revealed) LogValue() slog.Value { return slog.StringValue(revealedText) }

// MarshalJSON fails: a revealed value has no place in a record.
func (v *Revealed) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a revealed credential is not for JSON")
}
