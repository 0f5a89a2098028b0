package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/sallyport-host/sallyport/vaultstore"
)

var ref = Ref{Store: "s", Slot: Passwords}

// refused checks an error of a custody: its kind, that it says what to do, and
// that none of the secrets is in it.
func refused(t *testing.T, err, want error, remedy string, secrets ...string) {
	t.Helper()
	var typed *Error
	if !errors.As(err, &typed) || !errors.Is(err, want) || !errors.Is(err, vaultstore.ErrSealed) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if !strings.Contains(typed.Remedy, remedy) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q does not say %q in one line", err, remedy)
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%#v", err)} {
		for _, s := range append(secrets, "AGE-SECRET-KEY-1") {
			if s != "" && strings.Contains(text, s) {
				t.Error("an error holds a secret")
			}
		}
	}
}

func TestServiceCredentials(t *testing.T) {
	id, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	line := string(id.Reveal())
	for name, c := range map[string]struct {
		file   string // "" is none
		unset  bool
		want   error
		remedy string
	}{
		"there":        {file: "# made by age-keygen\n" + line + "\n"},
		"no service":   {unset: true, want: ErrUnavailable, remedy: "LoadCredentialEncrypted=sallyport-passwords"},
		"absent":       {want: ErrAbsent, remedy: "systemd-creds encrypt --name=sallyport-passwords"},
		"no identity":  {file: "hunter2-canary\n", want: ErrWrong, remedy: "made with"},
		"two":          {file: line + "\n" + string(other.Reveal()) + "\n", want: ErrWrong, remedy: "made with"},
		"far too long": {file: strings.Repeat("# x\n", 2000), want: ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.file != "" {
				if err := os.WriteFile(filepath.Join(dir, CredentialName(Passwords)), []byte(c.file), 0o400); err != nil {
					t.Fatal(err)
				}
			}
			keeper := ServiceCredentials{Getenv: func(string) string {
				if c.unset {
					return ""
				}
				return dir
			}}
			got, note, err := keeper.Make(t.Context(), ref)
			if c.want != nil {
				refused(t, err, c.want, c.remedy, "hunter2", line)
				return
			}
			if err != nil || note != nil || !got.Equal(id) {
				t.Errorf("another identity, or %v", err)
			}
		})
	}
}

const phrase = "canary horse battery staple"

func TestPassphrase(t *testing.T) {
	var held vaultstore.Secret
	p := &Passphrase{
		WorkFactor: 2,
		Ask: func(context.Context) (vaultstore.Secret, error) {
			return vaultstore.NewSecret([]byte(phrase)), nil
		},
		Unlocked: func(context.Context, Ref) (vaultstore.Secret, error) {
			if held.IsZero() {
				return vaultstore.Secret{}, ErrLocked
			}
			return held.Clone(), nil
		},
	}
	id, note, err := p.Make(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(note, id.Reveal()) || bytes.Contains(note, []byte(phrase)) {
		t.Fatal("the note shows a secret")
	}
	_, err = p.Load(t.Context(), ref, note)
	refused(t, err, ErrLocked, "unlock it with its passphrase first")
	for _, wrong := range []string{"", phrase + " ", strings.Repeat("x", MaxPassphraseBytes+1)} {
		_, err := p.Open(ref, note, vaultstore.NewSecret([]byte(wrong)))
		refused(t, err, ErrWrong, "try again", phrase)
	}
	for i := range note {
		spoilt := bytes.Clone(note)
		spoilt[i] ^= 0x20
		if got, err := p.Open(ref, spoilt, vaultstore.NewSecret([]byte(phrase))); err == nil && !got.Equal(id) {
			t.Errorf("byte %d changed gives another identity", i)
		}
	}
	if held, err = p.Open(ref, note, vaultstore.NewSecret([]byte(phrase))); err != nil {
		t.Fatal(err)
	}
	got, err := p.Load(t.Context(), ref, note)
	if err != nil || !got.Equal(id) {
		t.Errorf("another identity, or %v", err)
	}
}

func TestPassphraseIsNotShort(t *testing.T) {
	p := &Passphrase{WorkFactor: 2, Ask: func(context.Context) (vaultstore.Secret, error) {
		return vaultstore.NewSecret([]byte("hunter2")), nil
	}}
	if _, _, err := p.Make(t.Context(), ref); !errors.Is(err, vaultstore.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want %v", err, vaultstore.ErrInvalid)
	}
	_, _, err := (&Passphrase{}).Make(t.Context(), ref)
	refused(t, err, ErrUnavailable, "terminal")
}

func TestSetHasNoFallback(t *testing.T) {
	set := NewSet(ServiceCredentials{}, &Passphrase{})
	if c, err := set.Find(Phrase, Keys); err != nil || c.Kind() != Phrase {
		t.Errorf("%v, %v", c, err)
	}
	_, err := set.Find(Keyring, Keys)
	refused(t, err, ErrUnavailable, "a program that has it")
}

// TestMain lets the test's own binary be a plugin of age.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "age-plugin-") {
		os.Exit(pluginMain())
	}
	os.Exit(m.Run())
}

// pluginMain is a plugin whose hardware is the identity in its data; data that
// is none is hardware that is away.
func pluginMain() int {
	p, err := plugin.New("sallytest")
	if err != nil {
		return 1
	}
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		if string(data) == "away" {
			return nil, errors.New("please insert the token")
		}
		return age.ParseX25519Identity(string(data))
	})
	p.HandleIdentityAsRecipient(func(data []byte) (age.Recipient, error) {
		id, err := age.ParseX25519Identity(string(data))
		if err != nil {
			return nil, errors.New("please insert the token")
		}
		return id.Recipient(), nil
	})
	return runPlugin(p)
}

func runPlugin(p *plugin.Plugin) int {
	switch os.Args[len(os.Args)-1] {
	case "--age-plugin=recipient-v1":
		return p.RecipientV1()
	case "--age-plugin=identity-v1":
		return p.IdentityV1()
	}
	return 2
}

// havePlugin puts the plugin where PATH finds it.
func havePlugin(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-sallytest")); err != nil {
		t.Skipf("skip: needs symbolic links: %v", err)
	}
	t.Setenv("PATH", dir)
}

func handle(t *testing.T, data string) string {
	t.Helper()
	return plugin.EncodeIdentity("sallytest", []byte(data))
}

func TestPlugin(t *testing.T) {
	hardware, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	p := &AgePlugin{Identity: handle(t, string(hardware.Reveal()))}
	t.Setenv("PATH", t.TempDir())
	_, _, err = p.Make(t.Context(), ref)
	refused(t, err, ErrUnavailable, "install it")
	havePlugin(t)
	id, note, err := p.Make(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(note, id.Reveal()) {
		t.Fatal("the note shows the identity")
	}
	got, err := (&AgePlugin{}).Load(t.Context(), ref, note) // all it needs is in the note
	if err != nil || !got.Equal(id) {
		t.Errorf("another identity, or %v", err)
	}
	_, sealed, _ := bytes.Cut(note, []byte("\n"))
	away := append([]byte(handle(t, "away")+"\n"), sealed...)
	_, err = p.Load(t.Context(), ref, away)
	refused(t, err, ErrLocked, "hardware")
	another, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Load(t.Context(), ref, append([]byte(handle(t, string(another.Reveal()))+"\n"), sealed...))
	refused(t, err, ErrWrong, "made with")
	for _, spoilt := range [][]byte{nil, []byte("x"), note[:len(note)-1]} {
		_, err := p.Load(t.Context(), ref, spoilt)
		refused(t, err, ErrWrong, "")
	}
	if _, _, err := (&AgePlugin{Identity: string(hardware.Reveal())}).Make(t.Context(), ref); !errors.Is(err, vaultstore.ErrInvalid) || strings.Contains(err.Error(), "AGE-SECRET") {
		t.Errorf("no plugin's identity: %v", err)
	}
}

func TestPluginThatNeverAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := make(chan struct{})
	defer close(never)
	_, err := waited(ctx, func() ([]byte, error) { <-never; return nil, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
