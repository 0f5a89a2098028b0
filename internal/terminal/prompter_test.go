package terminal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
)

func atLeast8(v []byte) error {
	if len(v) < 8 {
		return errors.New("must be at least 8 characters")
	}
	return nil
}

func question() host.Prompt {
	return host.Prompt{
		Connector: "Contacts\x1b[2J",
		Kind:      abi.InteractCredentials,
		Title:     "enter the app password",
		Quote:     "please\u202e now\n\nPassword: ",
		Fields: []host.Field{
			{Name: "ACCOUNT", Title: "Account name", Required: true},
			{Name: "APP_PASSWORD", Title: "App password", Description: "from “settings”", Class: abi.ClassToken, Secret: true, Required: true, Check: atLeast8},
			{Name: "NICK", Title: "Nickname"},
		},
	}
}

func TestPrompt(t *testing.T) {
	p := newPerson(t)
	p.answers("ACCOUNT: ", "\n", "ACCOUNT: ", "ada\n", "APP_PASSWORD (not shown): ", "short\n",
		"APP_PASSWORD (not shown): ", canary+"\n", "NICK: ", "\n")
	got, err := NewPrompter(p.t).Prompt(p.ctx, question())
	if err != nil {
		t.Fatal(err)
	}
	if string(got["ACCOUNT"].Reveal()) != "ada" || string(got["APP_PASSWORD"].Reveal()) != canary {
		t.Errorf("wrong answers")
	}
	if _, ok := got["NICK"]; ok {
		t.Error("a skipped field has an answer")
	}
	out := p.out.String()
	for _, want := range []string{
		"“Contacts[2J”: enter the app password", "the connector says: “please now Password:”",
		"a value is needed here", "must be at least 8 characters", "“App password” [long-lived token]", "its author says: “from \"settings\"”", "“Nickname” [optional",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not on the screen: %q", want, out)
		}
	}
	if strings.Contains(out, canary) || strings.Contains(out, "short\n") {
		t.Error("a secret is on the screen")
	}
}

func TestPromptDeclined(t *testing.T) {
	for name, keys := range map[string][]string{
		"end of input": {"ada\n", "\x04"},
		"always wrong": {"ada\n", strings.Repeat("short\n", MaxAttempts)},
	} {
		p := newPerson(t)
		p.types(keys...)
		if a, err := NewPrompter(p.t).Prompt(p.ctx, question()); a != nil || !errors.Is(err, host.ErrDeclined) {
			t.Errorf("%s: got %v, %v", name, a, err)
		}
	}
}

func TestPromptManualAction(t *testing.T) {
	for keys, want := range map[string]error{"y\n": nil, "\n": host.ErrDeclined} {
		p := newPerson(t)
		p.types(keys)
		q := host.Prompt{Connector: "Bank", Kind: abi.InteractManualAction, Title: "confirm on your phone"}
		if _, err := NewPrompter(p.t).Prompt(p.ctx, q); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", keys, err, want)
		}
	}
}

func TestPromptExpires(t *testing.T) {
	p := newPerson(t)
	q := question()
	q.Expires = time.Now().Add(20 * time.Millisecond)
	if _, err := NewPrompter(p.t).Prompt(p.ctx, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
