package agefile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// canaries are forms in which a secret could lie about.
func canaries(secret string) [][]byte {
	return [][]byte{
		[]byte(secret), []byte(strings.ToLower(secret)), []byte(hex.EncodeToString([]byte(secret))),
		[]byte(base64.StdEncoding.EncodeToString([]byte(secret))[:16]),
	}
}

// A value stands in no file, an identity in its own file only, and neither in
// an error or in a store that is printed.
func TestNothingLeaks(t *testing.T) {
	const value = "canary-4f1d9a60c2"
	v := newVault(t)
	s := v.open()
	e := entryOf(at("A"), token, value)
	e.Stages[vaultstore.Pending], e.Stages[vaultstore.Previous] = e.Stages[vaultstore.Current], e.Stages[vaultstore.Current]
	mustPut(t, s, e, vaultstore.CreateOnly)
	mustPut(t, s, entryOf(at("A"), session, value), 1)
	mustPut(t, s, entryOf(at("B"), token, value), vaultstore.CreateOnly)
	if err := s.Delete(t.Context(), at("B"), 1); err != nil {
		t.Fatal(err)
	}
	files := v.bytes()
	for _, form := range canaries(value) {
		if bytes.Contains(files, form) {
			t.Error("a value stands in a file")
		}
	}
	identity := contentLines(read(t, v.key("alice", "session", keyExt)))[0]
	if n := bytes.Count(files, []byte(identity)); n != 1 {
		t.Errorf("an identity stands in the files %d times", n)
	}

	got, err := s.Get(t.Context(), at("A"))
	if err != nil {
		t.Fatal(err)
	}
	printed := printAll(s, s.keys, got, got.Info(), s.Capabilities(), s.keys.sealers)
	id, err := parseIdentity([]byte(identity), "")
	if err != nil {
		t.Fatal(err)
	}
	printed += printAll(id, &id, struct{ id any }{id})
	write(t, v.file(at("A"), session), []byte(value))
	write(t, v.key("alice", "long_lived_token", keyExt), []byte("# x\n"+identity+"x\n"))
	write(t, v.key("alice", "marks", keyExt), []byte(identity+"\n"+identity+"\n"))
	s = v.open()
	for _, a := range []vaultstore.Address{at("A"), at("B")} {
		_, err := s.Get(t.Context(), a)
		printed += printAll(err, fmt.Errorf("wrapped: %w", err))
		_, err = s.Put(t.Context(), entryOf(a, token, value), 77)
		printed += printAll(err)
	}
	_, err = s.Mark(t.Context(), "alice", "m")
	printed += printAll(err)
	for _, secret := range []string{value, identity} {
		for _, form := range canaries(secret) {
			if strings.Contains(printed, string(form)) {
				t.Errorf("printing shows a secret")
			}
		}
	}
}

func printAll(all ...any) string {
	var b bytes.Buffer
	text, lines := slog.New(slog.NewTextHandler(&b, nil)), slog.New(slog.NewJSONHandler(&b, nil))
	for _, x := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb, x)
		}
		text.Info("x", "x", x)
		lines.Info("x", "x", x)
		if j, err := json.Marshal(x); err == nil {
			b.Write(j)
		}
	}
	return b.String()
}
