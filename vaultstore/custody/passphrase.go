package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// The bounds of a passphrase.
const (
	MinPassphraseBytes = 12
	MaxPassphraseBytes = 4 << 10
)

// DefaultWorkFactor is the log2 of scrypt's cost: about a second.
const DefaultWorkFactor = 18

// maxWorkFactor bounds the time and memory (1 GiB) that a note can make
// [Passphrase.Open] take.
const maxWorkFactor = 20

// Passphrase keeps an identity in the vault's own note, encrypted with age's
// scrypt. Deriving the key is slow on purpose, so it is done once per unlock:
// Load asks Unlocked, and never a person.
type Passphrase struct {
	// Ask asks for a new passphrase, twice; nil where nobody can be asked.
	Ask func(ctx context.Context) (vaultstore.Secret, error)
	// Unlocked returns an identity that was unlocked before and is still
	// held; it wraps ErrLocked when none is.
	Unlocked func(ctx context.Context, ref Ref) (vaultstore.Secret, error)
	// WorkFactor is DefaultWorkFactor when 0.
	WorkFactor int
}

var _ Custody = (*Passphrase)(nil)

// Kind implements Custody.
func (*Passphrase) Kind() Kind { return Phrase }

// Make implements Custody.
func (p *Passphrase) Make(ctx context.Context, ref Ref) (vaultstore.Secret, []byte, error) {
	if p.Ask == nil {
		return vaultstore.Secret{}, nil, p.fail(ref, fmt.Errorf("%w: nobody is here to choose a passphrase", ErrUnavailable), "run it on a terminal")
	}
	phrase, err := p.Ask(ctx)
	if err != nil {
		return vaultstore.Secret{}, nil, err
	}
	defer phrase.Zero()
	id, err := newIdentity()
	if err != nil {
		return vaultstore.Secret{}, nil, err
	}
	note, err := p.wrap(phrase, id)
	if err != nil {
		id.Zero()
		return vaultstore.Secret{}, nil, err
	}
	return id, note, nil
}

func (p *Passphrase) wrap(phrase, id vaultstore.Secret) ([]byte, error) {
	if err := CheckPassphrase(phrase); err != nil {
		return nil, err
	}
	r, err := age.NewScryptRecipient(string(phrase.Reveal()))
	if err != nil {
		return nil, err
	}
	factor := p.WorkFactor
	if factor == 0 {
		factor = DefaultWorkFactor
	}
	r.SetWorkFactor(factor)
	return encrypt(r, id.Reveal())
}

// CheckPassphrase refuses one that is too short or too long.
func CheckPassphrase(phrase vaultstore.Secret) error {
	switch n := phrase.Len(); {
	case n < MinPassphraseBytes:
		return fmt.Errorf("%w: a passphrase has at least %d characters; take four or five random words", vaultstore.ErrInvalid, MinPassphraseBytes)
	case n > MaxPassphraseBytes:
		return fmt.Errorf("%w: a passphrase has at most %d bytes", vaultstore.ErrTooLarge, MaxPassphraseBytes)
	}
	return nil
}

// Open opens a note with its passphrase: [ErrWrong] when it is another one.
func (p *Passphrase) Open(ref Ref, note []byte, phrase vaultstore.Secret) (vaultstore.Secret, error) {
	if phrase.Len() == 0 || phrase.Len() > MaxPassphraseBytes {
		return vaultstore.Secret{}, p.fail(ref, fmt.Errorf("the passphrase %w", ErrWrong), "try again")
	}
	id, err := age.NewScryptIdentity(string(phrase.Reveal()))
	if err != nil {
		return vaultstore.Secret{}, err
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	line, err := decrypt(id, note)
	if errors.Is(err, errDamaged) {
		return vaultstore.Secret{}, p.fail(ref, fmt.Errorf("%w: what is kept beside the keys", err), "restore the keys from a backup")
	}
	if err != nil {
		return vaultstore.Secret{}, p.fail(ref, fmt.Errorf("the passphrase %w", ErrWrong), "try again")
	}
	defer clear(line)
	return parseIdentity(line)
}

// Load implements Custody.
func (p *Passphrase) Load(ctx context.Context, ref Ref, _ []byte) (vaultstore.Secret, error) {
	if err := ctx.Err(); err != nil {
		return vaultstore.Secret{}, err
	}
	err := error(ErrLocked)
	if p.Unlocked != nil {
		var id vaultstore.Secret
		if id, err = p.Unlocked(ctx, ref); err == nil {
			return id, nil
		}
	}
	if !errors.Is(err, ErrLocked) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return vaultstore.Secret{}, p.fail(ref, err, "unlock it with its passphrase first")
}

func (p *Passphrase) fail(ref Ref, err error, remedy string) error {
	return &Error{Kind: Phrase, Slot: ref.Slot, Err: err, Remedy: remedy}
}

// errDamaged is of a note that no passphrase opens.
var errDamaged = errors.New("damaged")

func encrypt(to age.Recipient, plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decrypt reads to the end. It wraps errDamaged unless what failed is that the
// identity does not match.
func decrypt(id age.Identity, note []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(note), id)
	if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
		return nil, err
	}
	if err != nil {
		return nil, errDamaged // age's own error may quote what it read
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxIdentityFile+1))
	if err != nil || len(plain) > maxIdentityFile {
		clear(plain)
		return nil, errDamaged
	}
	return plain, nil
}
