package vaultstore

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"
)

const canary = "canary-5b0e77d1"

type exported struct{ Value Secret }
type unexported struct{ value Secret }
type deep struct {
	a any
	m map[string]unexported
	s []Secret
	p *unexported
}

// secrets hides the canary everywhere a program might have it.
func secrets() map[string]any {
	s := NewSecret([]byte(canary))
	u := unexported{s}
	return map[string]any{
		"alone": s, "pointer": &s, "slice": []Secret{s}, "array": [1]Secret{s}, "map": map[string]Secret{"k": s},
		"exported": exported{s}, "to exported": &exported{s}, "unexported": u, "to unexported": &u,
		"deep":    deep{a: u, m: map[string]unexported{"k": u}, s: []Secret{s}, p: &u},
		"version": Version{Value: s}, "entry": Entry{Stages: map[Stage]Version{Current: {Value: s}}},
		"error": fmt.Errorf("%v and %w", s, &Error{Op: "get", Err: errors.New(fmt.Sprint(u))}),
	}
}

// forms are the ways in which the canary could show: as it is, as numbers, in
// hex, in base64.
func forms() []string {
	decimal := fmt.Sprintf("%d", []byte(canary))
	return []string{
		canary, canary[:8], hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		base64.StdEncoding.EncodeToString([]byte(canary))[:16], decimal[1 : len(decimal)-1], fmt.Sprintf("% x", canary),
	}
}

func clean(t *testing.T, how, printed string) {
	t.Helper()
	for _, form := range forms() {
		if strings.Contains(printed, form) {
			t.Errorf("%s shows the value", how)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	verbs := "vTtbcdoOqxXUeEfFgGspw"
	for name, x := range secrets() {
		for _, verb := range verbs {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "20.3"} {
				format := "%" + flags + string(verb)
				clean(t, name+" by "+format, fmt.Sprintf(format, x))
			}
		}
		clean(t, name+" by Sprint", fmt.Sprint(x)+fmt.Sprintln(x))
		for _, wrong := range []string{"%!", "%z", "", "%*d", "%[2]d", "%", "%%"} {
			clean(t, name+" by "+wrong, fmt.Sprintf(wrong, x, 1))
		}
	}
}

func TestSecretIsNeverLogged(t *testing.T) {
	for name, x := range secrets() {
		var b bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			l := slog.New(h).With("with", x).WithGroup("g")
			l.Info("m", "k", x, "any", slog.AnyValue(x), "group", slog.GroupValue(slog.Any("k", x)))
		}
		clean(t, name+" by slog", b.String())
	}
}

func TestSecretIsNeverMarshalled(t *testing.T) {
	tmpl := template.Must(template.New("").Parse(`{{.}} {{printf "%v %s" . .}}`))
	for name, x := range secrets() {
		var b bytes.Buffer
		if j, err := json.Marshal(x); err == nil {
			b.Write(j)
		}
		if j, err := xml.Marshal(x); err == nil {
			b.Write(j)
		}
		_ = gob.NewEncoder(&b).Encode(x)
		_ = tmpl.Execute(&b, x)
		clean(t, name+" by an encoder", b.String())
	}
	j, err := json.Marshal(exported{NewSecret([]byte(canary))})
	if string(j) != `{"Value":"[redacted]"}` || err != nil {
		t.Errorf("as JSON it is %s, %v", j, err)
	}
}

func TestSecret(t *testing.T) {
	source := []byte("value")
	s := NewSecret(source)
	clear(source)
	if string(s.Reveal()) != "value" || s.Len() != 5 || s.IsZero() {
		t.Error("a secret is a copy of what it was made of")
	}
	none, empty := Secret{}, NewSecret(nil)
	if !none.IsZero() || none.Len() != 0 || none.Reveal() != nil || !none.Clone().IsZero() {
		t.Error("the zero Secret holds nothing")
	}
	if empty.IsZero() || empty.Len() != 0 || empty.Reveal() == nil || empty.Clone().IsZero() {
		t.Error("an empty value is a value")
	}
	none.Zero()
	for _, c := range []struct {
		a, b Secret
		want bool
	}{
		{s, NewSecret([]byte("value")), true}, {s, s.Clone(), true}, {s, NewSecret([]byte("valuf")), false},
		{s, NewSecret([]byte("valu")), false}, {none, Secret{}, true}, {none, empty, false}, {empty, NewSecret(nil), true},
	} {
		if c.a.Equal(c.b) != c.want || c.b.Equal(c.a) != c.want {
			t.Errorf("equal is not %v", c.want)
		}
	}
	shared, apart := s, s.Clone()
	s.Zero()
	if !bytes.Equal(shared.Reveal(), make([]byte, 5)) || string(apart.Reveal()) != "value" {
		t.Error("Zero overwrites copies and leaves clones")
	}
}
