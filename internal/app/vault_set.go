package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// VaultSet says what to store and where its value comes from: stdin, a file,
// or, with neither, a question without echo.
type VaultSet struct {
	Connector string
	Name      string
	Class     string // "" for what the manifest declares
	Stdin     bool
	File      string
	NoVerify  bool // do not ask the source whether it works
	// OtherAccount takes a value of another account than the one before was of.
	OtherAccount bool
	GrantFile    string // a PDPP grant; "" is the owner's own
	Network      Network

	grant *capabilities.Grant // in GrantFile
}

// Stored is the result of [App.VaultSet].
type Stored struct {
	next
	Owner      string    `json:"owner"`
	Connector  string    `json:"connector"`
	Instance   string    `json:"instance"`
	Grant      string    `json:"grant"`
	Name       string    `json:"name"`
	Class      abi.Class `json:"class,omitempty"`
	Generation uint64    `json:"generation"`
	Replaced   bool      `json:"replaced"`
	// NewlineStripped says that one end of line at the end was left out.
	NewlineStripped bool   `json:"newline_stripped"`
	From            string `json:"from,omitempty"` // the file that still holds the value
	Verification
}

// Text says what was stored, never the value.
func (s Stored) Text(w io.Writer) error {
	verb := "stored"
	if s.Replaced {
		verb = "replaced"
	}
	_, err := fmt.Fprintf(w, "%s %s (%s) for %s\n", verb, s.Name, terminal.ClassWords(s.Class), s.Connector)
	if err == nil && s.NewlineStripped {
		_, err = fmt.Fprintln(w, "one newline at the end was left out")
	}
	if err == nil && s.From != "" {
		_, err = fmt.Fprintf(w, "%s still holds the value: delete it\n", s.From)
	}
	if err == nil {
		err = s.Verification.Text(w)
	}
	return err
}

// slot is where a value goes and what may be there.
type slot struct {
	address   vaultstore.Address
	class     abi.Class
	title     string
	check     func([]byte) error // nil: anything
	connector *connector         // nil without a manifest
}

// VaultSet stores a value that the owner gives, once the source accepts it,
// where it can be asked.
func (a *App) VaultSet(ctx context.Context, o VaultSet) (Result, error) {
	if err := a.checkSource(o); err != nil {
		return nil, err
	}
	if err := o.Network.check(); err != nil {
		return nil, err
	}
	var err error
	if o.GrantFile != "" || a.Grant == vaultstore.SelfGrant {
		if o.grant, err = a.grantOf(o.GrantFile); err != nil {
			return nil, err
		}
	}
	slot, err := a.slot(o)
	if err != nil {
		return nil, err
	}
	if !o.Stdin && o.File == "" && a.Terminal == nil {
		return nil, usage("nobody is here to type the value; give --stdin or --file FILE")
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	old, err := current(ctx, stores.Vault, slot.address)
	if err != nil {
		return nil, err
	}
	if err := slot.raise(stores.Vault, old); err != nil {
		return nil, err
	}
	value, stripped, err := a.value(ctx, o, slot)
	if err != nil {
		return nil, err
	}
	defer value.Zero()
	verification, err := a.verify(ctx, stores, o, slot, value)
	if err != nil {
		return nil, err
	}
	account, err := o.account(old, slot.address.Name, verification)
	if err != nil {
		return nil, err
	}
	generation, err := a.put(ctx, stores, slot, old, vaultstore.Version{Value: value, Account: account}, verification.Verified)
	if err != nil {
		return nil, err
	}
	if slot.connector != nil {
		a.remember(slot.connector)
	}
	return Stored{
		next:  next{a.afterGiving(ctx, stores, o.Connector, slot.connector)},
		Owner: a.Owner, Connector: slot.address.Connector, Instance: a.Instance, Grant: a.Grant,
		Name: slot.address.Name, Class: slot.class, Generation: generation, Replaced: len(old.Stages) > 0,
		NewlineStripped: stripped, From: o.File, Verification: verification,
	}, nil
}

// checkSource refuses a value that would come from nowhere, from two places,
// or with an echo.
func (a *App) checkSource(o VaultSet) error {
	if o.Stdin && o.File != "" {
		return usage("--stdin and --file are two sources; give one")
	}
	if o.File == "-" {
		return usage("--file -: give --stdin to read the value from stdin")
	}
	if in, ok := a.Stdin.(*os.File); ok && o.Stdin && terminal.IsTerminal(in) {
		return usage("stdin is a terminal, which would show the value; leave --stdin out to be asked without echo, or give --file FILE")
	}
	return nil
}

// slot works out address and class from the manifest, or from --class where
// there is none.
func (a *App) slot(o VaultSet) (*slot, error) {
	class := abi.Class(o.Class)
	if o.Class != "" && !class.Valid() {
		return nil, usage("--class: unknown; use %s, %s or %s", abi.ClassToken, abi.ClassSession, abi.ClassPassword)
	}
	c, err := a.openManifest(o.Connector)
	if err != nil {
		key, keyErr := a.connectorKey(o.Connector)
		if keyErr != nil || o.Class == "" {
			return nil, err
		}
		return a.slotByClass(key, o.Name, class)
	}
	cred, err := c.credential(o.Name)
	if err != nil {
		return nil, err
	}
	s := &slot{
		address:   a.scope(c.manifest.ConnectorKey).Address(cred.Name),
		class:     cred.Class,
		title:     first(cred.Title, cred.Name),
		check:     cred.ValidateValue,
		connector: c,
	}
	if o.Class != "" {
		highest, ok := abi.Highest(cred.Class, class)
		if cred.Identity || !ok || highest != class {
			return nil, refused("--class %s would lower what the manifest declares, %s; leave it out", class, terminal.ClassWords(cred.Class))
		}
		s.class = class
	}
	return s, s.storable()
}

func (a *App) slotByClass(key, name string, class abi.Class) (*slot, error) {
	s := &slot{address: a.scope(key).Address(name), class: class, title: name}
	if err := s.address.Validate(); err != nil {
		return nil, usage("%w", err)
	}
	if !keyPattern.MatchString(name) {
		return nil, usage("the name given is none; use letters, digits, _ and -. a value is never an argument: it is asked for, or read with --stdin or --file")
	}
	return s, s.storable()
}

func (s *slot) storable() error {
	if s.class == abi.ClassOneTime {
		return refused("%s is a one-time code: it is asked for in each run and never stored", s.address.Name)
	}
	return nil
}

// current returns what is stored at address, an empty entry when nothing is.
func current(ctx context.Context, v vaultstore.Store, at vaultstore.Address) (vaultstore.Entry, error) {
	e, err := v.Get(ctx, at)
	if errors.Is(err, vaultstore.ErrNotFound) {
		return vaultstore.Entry{Address: at}, nil
	}
	return e, err
}

// raise puts the class in force into s, before anyone types a value: never
// below what is stored, and one that the vault keeps.
func (s *slot) raise(v vaultstore.Store, old vaultstore.Entry) error {
	highest, ok := abi.Highest(s.class, old.Class)
	if !ok {
		return refused("%s is stored as a %s, which does not become a %s; remove it first", s.address.Name, old.Class, s.class)
	}
	s.class = highest
	if ok, why := v.Capabilities().Stores(s.class); !ok {
		return &Error{Refused, &unkept{fmt.Sprintf("%s is a %s, and this vault keeps none: %s", s.address.Name, strings.ToLower(terminal.ClassWords(s.class)), why)}}
	}
	return nil
}

// unkept is vaultstore.ErrClass in words about one credential.
type unkept struct{ text string }

func (u *unkept) Error() string { return u.text }
func (u *unkept) Unwrap() error { return vaultstore.ErrClass }

// value gets the value from where o says. Its bounds and its schema are
// checked; a terminal asks again.
func (a *App) value(ctx context.Context, o VaultSet, s *slot) (value vaultstore.Secret, stripped bool, err error) {
	if !o.Stdin && o.File == "" {
		value, err = a.typed(ctx, s)
		return value, false, err
	}
	raw, err := a.read(ctx, o)
	if err != nil {
		return value, false, err
	}
	defer clear(raw)
	body := bytes.TrimSuffix(raw, []byte("\n"))
	stripped = len(body) < len(raw)
	if stripped {
		body = bytes.TrimSuffix(body, []byte("\r"))
	}
	if err := s.valid(body); err != nil {
		return value, false, usage("%w", err)
	}
	return vaultstore.NewSecret(body), stripped, nil
}

func (s *slot) valid(value []byte) error {
	switch {
	case len(value) == 0:
		return errors.New("the value is empty; nothing was stored")
	case len(value) > terminal.MaxSecretBytes:
		return fmt.Errorf("the value is longer than %d bytes", terminal.MaxSecretBytes)
	case s.check != nil:
		return s.check(value)
	}
	return nil
}

// read is bounded by the context too: nobody may ever close stdin.
func (a *App) read(ctx context.Context, o VaultSet) ([]byte, error) {
	if o.File != "" {
		raw, err := readLimited(o.File, terminal.MaxSecretBytes+2)
		if err != nil {
			return nil, fileError("--file", o.File, err)
		}
		return raw, nil
	}
	type result struct {
		raw []byte
		err error
	}
	got := make(chan result, 1)
	go func() {
		raw, err := io.ReadAll(io.LimitReader(a.Stdin, terminal.MaxSecretBytes+3))
		got <- result{raw, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-got:
		if r.err != nil {
			return nil, internal("read stdin: %w", r.err)
		}
		return r.raw, nil
	}
}

func (a *App) typed(ctx context.Context, s *slot) (vaultstore.Secret, error) {
	p := host.Prompt{
		Connector: s.address.Connector,
		Kind:      abi.InteractCredentials,
		Scope:     a.scope(s.address.Connector),
		Title:     "type or paste the value to store",
		Fields: []host.Field{{
			Name: s.address.Name, Title: s.title, Class: s.class, Secret: s.class != abi.ClassNone, Required: true, Check: s.valid,
		}},
	}
	answer, err := terminal.NewPrompter(a.Terminal).Prompt(ctx, p)
	if err != nil {
		return vaultstore.Secret{}, asked(err)
	}
	return answer[s.address.Name], nil
}

// put writes the value as current and what was current as previous, with the
// audit log first: what cannot be audited is not done. A value that a guest
// has left pending goes: it must not come after the owner's.
func (a *App) put(ctx context.Context, stores *Stores, s *slot, old vaultstore.Entry, v vaultstore.Version, verified bool) (uint64, error) {
	now := a.Now().UTC()
	v.Provenance, v.Status, v.ObtainedAt = vaultstore.UserEntered, vaultstore.Active, now
	if verified {
		v.LastVerified = now
	}
	e := vaultstore.Entry{Address: s.address, Class: s.class, Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: v}}
	if was, ok := old.Stages[vaultstore.Current]; ok && stores.Vault.Capabilities().Stages {
		e.Stages[vaultstore.Previous] = was
	}
	if _, ok := old.Stages[vaultstore.Pending]; ok {
		e.Stages[vaultstore.Pending] = vaultstore.Version{}
	}
	expect := old.Generation
	if len(old.Stages) == 0 {
		expect = vaultstore.CreateOnly
	}
	event := host.Event{Time: now, Kind: host.EventVault, Scope: a.scope(s.address.Connector),
		Op: "set", Name: s.address.Name, Class: s.class, Allowed: true}
	if expect != vaultstore.CreateOnly {
		event.Version = old.Generation + 1
	}
	if err := stores.Audit.Append(ctx, event); err != nil {
		return 0, fmt.Errorf("%w; nothing was stored", err)
	}
	generation, err := stores.Vault.Put(ctx, e, expect)
	if err != nil {
		event.Allowed, event.Reason = false, "the vault did not store it"
		return 0, errors.Join(err, stores.Audit.Append(context.WithoutCancel(ctx), event))
	}
	return generation, nil
}
