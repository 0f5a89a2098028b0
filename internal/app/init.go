package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Init says where the recovery identity goes. With neither it is shown once,
// on a terminal.
type Init struct {
	RecoveryOut       string // a file to be made
	RecoveryRecipient string // one that exists: "age1…"
}

// Initialised is the result of [App.Init].
type Initialised struct {
	next
	Vault             string `json:"vault"`
	Keys              string `json:"keys"`
	RecoveryRecipient string `json:"recovery_recipient"`
	RecoveryFile      string `json:"recovery_file,omitempty"`
}

// Text says what was made and what to do with the recovery identity.
func (i Initialised) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "vault made in %s\n", i.Vault)
	if err == nil && i.RecoveryFile != "" {
		_, err = fmt.Fprintf(w, "the recovery identity is in %s: keep it on another machine or on paper\n", i.RecoveryFile)
	}
	return err
}

// Init makes the vault, its keys and the recovery recipient: once, never over
// what is there.
func (a *App) Init(ctx context.Context, o Init) (Result, error) {
	if o.RecoveryOut != "" && o.RecoveryRecipient != "" {
		return nil, usage("--recovery-out makes a recovery identity and --recovery-recipient uses one that exists; give one of them")
	}
	if o.RecoveryOut == "-" {
		return nil, usage("--recovery-out -: the recovery identity does not go to stdout; name a new file, or leave it out on a terminal to see it once")
	}
	exists, err := a.Files.Exists()
	if err != nil {
		return nil, err
	}
	if exists {
		return nil, refused("there is a vault in %s; it was left as it is", a.Home.VaultDir())
	}
	if err := a.Files.Vacant(ctx); err != nil {
		return nil, err
	}
	if o.RecoveryOut == "" && o.RecoveryRecipient == "" && a.Terminal == nil {
		return nil, usage("the recovery identity needs a place: give --recovery-out FILE, or --recovery-recipient age1…, or run it on a terminal to see it once")
	}
	return a.init(ctx, o)
}

func (a *App) init(ctx context.Context, o Init) (Result, error) {
	done := Initialised{
		next:  next{a.command("vault", "set", "CONNECTOR", "NAME")},
		Vault: a.Home.VaultDir(), Keys: a.Home.KeysDir(), RecoveryRecipient: strings.TrimSpace(o.RecoveryRecipient),
	}
	undo := func() {}
	if done.RecoveryRecipient == "" {
		identity, recipient, err := a.Files.NewRecovery()
		if err != nil {
			return nil, err
		}
		defer identity.Zero()
		done.RecoveryRecipient = recipient
		if o.RecoveryOut != "" {
			if done.RecoveryFile, err = writeRecovery(o.RecoveryOut, identity, recipient, syncFolder); err != nil {
				return nil, err
			}
			undo = func() { _ = os.Remove(done.RecoveryFile) }
		} else if err := a.showRecovery(ctx, identity, recipient); err != nil {
			return nil, err
		}
	}
	if err := a.Files.Init(ctx, done.RecoveryRecipient); err != nil {
		// A vault may be there in spite of the error, and then this is the
		// only key that recovers it.
		if exists, look := a.Files.Exists(); look == nil && !exists || errors.Is(err, fs.ErrExist) {
			undo()
		} else if done.RecoveryFile != "" {
			err = fmt.Errorf("%w; a vault may have been made all the same: keep %s", err, done.RecoveryFile)
		}
		if errors.Is(err, vaultstore.ErrInvalid) {
			return nil, usage("--recovery-recipient: %w", err)
		}
		return nil, err
	}
	return done, nil
}

// writeRecovery makes the file that age -i reads. It never overwrites, and is
// durable, its name too, before anything is sealed to the recipient.
func writeRecovery(path string, identity vaultstore.Secret, recipient string, syncFolder func(dir string) error) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fileError("--recovery-out", path, err)
	}
	f, err := os.OpenFile(abs, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return "", usage("--recovery-out %s exists and is not overwritten; name a new file", path)
	case err != nil:
		return "", fileError("--recovery-out", path, err)
	}
	_, err = fmt.Fprintf(f, "# sallyport recovery identity: opens the vault's tokens and sessions; never share it\n# public key: %s\n%s\n",
		recipient, identity.Reveal())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncFolder(filepath.Dir(abs))
	}
	if err != nil {
		_ = os.Remove(abs)
		return "", fileError("--recovery-out", path, err)
	}
	return abs, nil
}

// showRecovery shows the identity once, and goes on only when the owner says
// that it was kept.
func (a *App) showRecovery(ctx context.Context, identity vaultstore.Secret, recipient string) error {
	text := fmt.Sprintf(`
  This is the recovery identity of your new vault. It is shown once and kept nowhere:
  write it down or put it into a password manager. If the keys of this machine
  are lost, it opens the vault's tokens and sessions (age -d -i FILE).

  public key: %s

  %s

  Press Enter when you have it (Ctrl-D to make no vault).
`, recipient, identity.Reveal())
	if err := a.Terminal.ShowOnce(ctx, text); err != nil {
		return asked(err)
	}
	kept, err := a.Terminal.Confirm(ctx, "is the recovery identity in a safe place?")
	switch {
	case err != nil:
		return asked(err)
	case !kept:
		return needsOwner("no vault was made; run it again, or give --recovery-out FILE")
	}
	return nil
}

// open opens the stores. Where there is no vault yet, a person is offered to
// make one; elsewhere that is an error that says how.
func (a *App) open(ctx context.Context) (*Stores, error) {
	exists, err := a.Files.Exists()
	if err != nil {
		return nil, err
	}
	if !exists {
		if err := a.Files.Vacant(ctx); err != nil {
			return nil, err
		}
		if err := a.offerInit(ctx); err != nil {
			return nil, err
		}
	}
	return a.Files.Open(ctx)
}

func (a *App) offerInit(ctx context.Context) error {
	if a.Terminal == nil {
		return needsOwner("there is no vault in %s yet; run: %s", a.Home.VaultDir(), a.command("init", "--recovery-out", "FILE"))
	}
	yes, err := a.Terminal.Confirm(ctx, fmt.Sprintf("there is no vault in %s yet. make one?", a.Home.VaultDir()))
	switch {
	case err != nil:
		return asked(err)
	case !yes:
		return needsOwner("no vault was made; run: %s", a.command("init"))
	}
	_, err = a.init(ctx, Init{})
	return err
}
