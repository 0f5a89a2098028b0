package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// maxPluginText bounds what is quoted of a plugin's own words.
const maxPluginText = 200

// AgePlugin keeps an identity in the vault's own note, encrypted to a plugin
// of age: age-plugin-yubikey, age-plugin-tpm, age-plugin-se. The note names
// the plugin's identity, which is a handle of the hardware's and no secret.
type AgePlugin struct {
	// Identity is the plugin's, "AGE-PLUGIN-NAME-1…": to be had with the
	// plugin's own program. Only Make needs it.
	Identity string
	// Recipient is what is encrypted to, "age1name1…"; with "" the plugin
	// works it out of Identity, which not every one can.
	Recipient string
	// UI answers the plugin's questions, such as a PIN; nil answers none.
	UI *plugin.ClientUI
}

var _ Custody = (*AgePlugin)(nil)

// Kind implements Custody.
func (*AgePlugin) Kind() Kind { return Plugin }

func (p *AgePlugin) ui() *plugin.ClientUI {
	if p.UI == nil {
		return &plugin.ClientUI{}
	}
	return p.UI
}

// Make implements Custody.
func (p *AgePlugin) Make(ctx context.Context, ref Ref) (vaultstore.Secret, []byte, error) {
	handle, err := plugin.NewIdentity(p.Identity, p.ui())
	if err != nil {
		return vaultstore.Secret{}, nil, fmt.Errorf("%w: the identity of an age plugin begins with AGE-PLUGIN-", vaultstore.ErrInvalid)
	}
	to := handle.Recipient()
	if p.Recipient != "" {
		if to, err = plugin.NewRecipient(p.Recipient, p.ui()); err != nil || to.Name() != handle.Name() {
			return vaultstore.Secret{}, nil, fmt.Errorf("%w: the recipient of age-plugin-%s begins with age1%s1", vaultstore.ErrInvalid, handle.Name(), handle.Name())
		}
	}
	id, err := newIdentity()
	if err != nil {
		return vaultstore.Secret{}, nil, err
	}
	sealed, err := waited(ctx, func() ([]byte, error) { return encrypt(to, id.Reveal()) })
	if err != nil {
		return vaultstore.Secret{}, nil, p.failed(ctx, ref, handle.Name(), err)
	}
	note := append([]byte(handle.String()+"\n"), sealed...)
	// That it can be opened again is found out before anything rests on it.
	again, err := p.Load(ctx, ref, note)
	if err == nil && !again.Equal(id) {
		err = p.failed(ctx, ref, handle.Name(), errDamaged)
	}
	if err != nil {
		id.Zero()
		return vaultstore.Secret{}, nil, err
	}
	return id, note, nil
}

// Load implements Custody.
func (p *AgePlugin) Load(ctx context.Context, ref Ref, note []byte) (vaultstore.Secret, error) {
	name, sealed, ok := bytes.Cut(note, []byte("\n"))
	handle, err := plugin.NewIdentity(string(name), p.ui())
	if !ok || err != nil {
		return vaultstore.Secret{}, &Error{Kind: Plugin, Slot: ref.Slot, Err: fmt.Errorf("%w: what is kept beside the keys is damaged", ErrWrong), Remedy: "restore the keys from a backup"}
	}
	line, err := waited(ctx, func() ([]byte, error) { return openWith(handle, sealed) })
	if err != nil {
		return vaultstore.Secret{}, p.failed(ctx, ref, handle.Name(), err)
	}
	defer clear(line)
	return parseIdentity(line)
}

// openWith keeps the plugin's own error, which decrypt does not tell.
func openWith(handle *plugin.Identity, sealed []byte) ([]byte, error) {
	w := &watched{Identity: handle}
	line, err := decrypt(w, sealed)
	if err != nil && w.err != nil {
		return nil, w.err
	}
	return line, err
}

type watched struct {
	age.Identity
	err error
}

func (w *watched) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := w.Identity.Unwrap(stanzas)
	w.err = err
	return key, err
}

func (p *AgePlugin) failed(ctx context.Context, ref Ref, name string, err error) error {
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return cause
	}
	e := &Error{Kind: Plugin, Slot: ref.Slot}
	missing := (*plugin.NotFoundError)(nil)
	switch {
	case errors.As(err, &missing):
		e.Err, e.Remedy = fmt.Errorf("%w: there is no program age-plugin-%s", ErrUnavailable, name), "install it where PATH finds it"
	case errors.Is(err, age.ErrIncorrectIdentity), errors.Is(err, errDamaged):
		e.Err, e.Remedy = fmt.Errorf("age-plugin-%s %w", name, ErrWrong), "use the hardware that the vault was made with"
	default:
		text := err.Error()
		if len(text) > maxPluginText {
			text = text[:maxPluginText]
		}
		e.Err, e.Remedy = fmt.Errorf("%w: it says %s", ErrLocked, strconv.QuoteToASCII(text)), "have the hardware at hand, and run it on a terminal if a PIN is needed"
	}
	return e
}

// waited returns what f does, or the context's error when that comes first:
// age's plugins do not know of contexts, and a touch may never come.
func waited(ctx context.Context, f func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := f()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
