package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

func TestExit(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("while working: %w", err) }
	tests := []struct {
		err  error
		want Code
	}{
		{nil, OK},
		{errors.New("who knows"), Internal},
		{usage("x"), Usage},
		{wrap(refused("x")), Refused},
		{errors.Join(nil, wrap(needsOwner("x"))), NeedsOwner},
		{wrap(context.Canceled), Interrupted},
		{wrap(&host.Refusal{Thing: "x"}), Refused},
		{wrap(&host.Refusal{Thing: "x", NeedsOwner: true}), NeedsOwner},
		{wrap(host.ErrDeclined), NeedsOwner},
		{wrap(host.ErrUnattended), NeedsOwner},
		{wrap(host.ErrSourceFailed), SourceFailed},
		{wrap(&manifests.Faults{}), Refused},
		{wrap(vaultstore.ErrNotInitialised), NeedsOwner},
		{wrap(vaultstore.ErrSealed), NeedsOwner},
		{wrap(vaultstore.ErrTampered), Refused},
		{wrap(vaultstore.ErrRollback), Refused},
		{wrap(vaultstore.ErrMissing), Refused},
		{wrap(vaultstore.ErrPermissions), Refused},
		{wrap(vaultstore.ErrClass), Refused},
		{wrap(privatedir.ErrUnsafe), Refused},
		{wrap(vaultstore.ErrInvalid), Usage},
		{wrap(vaultstore.ErrTooLarge), Usage},
		{wrap(vaultstore.ErrNotFound), Usage},
		{wrap(vaultstore.ErrLocked), Internal},
		{wrap(vaultstore.ErrConflict), Internal},
		{wrap(vaultstore.ErrUnknownOutcome), Internal},
		{asked(terminal.ErrEnd), NeedsOwner},
		{asked(context.Canceled), Interrupted},
	}
	for _, tt := range tests {
		if got := Exit(tt.err); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.err, got, tt.want)
		}
	}
}

// Every code is documented, distinct, and has a name of its own.
func TestCodes(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Codes() {
		if names[c.Code.String()] || c.Text == "" {
			t.Errorf("code %d has no name or text of its own", c.Code)
		}
		names[c.Code.String()] = true
	}
	if len(names) != 7 {
		t.Errorf("%d codes", len(names))
	}
}

func TestPrintError(t *testing.T) {
	hostile := &host.Refusal{Thing: "import \x1b[2J\u202ex", Reason: "no\nsallyport: all is well", Remedy: "ask"}
	var text, doc bytes.Buffer
	err := errors.Join(hostile, &host.Refusal{Thing: "second", Reason: "too"})
	PrintError(err, false, &text)
	if got := text.String(); strings.ContainsAny(got, "\x1b\u202e") || strings.Count(got, "\n") != 1 {
		t.Errorf("not one clean line: %q", got)
	}
	PrintError(err, true, &doc)
	var got struct {
		Error struct {
			Code     string
			ExitCode int `json:"exit_code"`
			Message  string
			Refusals []host.Refusal
		}
	}
	if err := json.Unmarshal(doc.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Error.Code != "refused" || got.Error.ExitCode != 3 || len(got.Error.Refusals) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestPrintErrorListsFaults(t *testing.T) {
	_, err := manifests.Parse([]byte(`{"streams": 1, "connector_id": 2}`))
	if err == nil {
		t.Fatal("a faulty manifest parsed")
	}
	var text bytes.Buffer
	PrintError(refused("manifest: %w", err), false, &text)
	if !strings.Contains(text.String(), "\n  ") || !strings.Contains(text.String(), "/streams") {
		t.Errorf("got %q", text.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestPrintToClosedOutput(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		if err := Print(Credentials{}, asJSON, false, brokenWriter{}, io.Discard); Exit(err) != Internal {
			t.Errorf("json %v: got %v", asJSON, err)
		}
	}
}

func TestQuote(t *testing.T) {
	a := &App{Program: []string{"sallyport", "--home", "/a b"}}
	if got, want := a.command("run", "it's", "./x"), `sallyport --home '/a b' run 'it'\''s' ./x`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := quote(""); got != "''" {
		t.Errorf("got %s", got)
	}
}

func TestLocalise(t *testing.T) {
	a := &App{given: Options{Home: "/a b"}}
	err := a.localise(&host.Refusal{Thing: "x", Reason: "y", Remedy: "run: sallyport grant approve x", NeedsOwner: true})
	if !strings.Contains(err.Error(), "run: sallyport --home '/a b' grant approve x") || Exit(err) != NeedsOwner {
		t.Errorf("got %v, exit %d", err, Exit(err))
	}
	if len(refusals(err)) != 1 {
		t.Error("the refusal is lost")
	}
}

func TestParseSpan(t *testing.T) {
	for in, hours := range map[string]float64{"12h": 12, "30d": 720, "2w": 336, "90m": 1.5} {
		if d, err := ParseSpan(in); err != nil || d.Hours() != hours {
			t.Errorf("%s: got %v, %v", in, d, err)
		}
	}
	for _, in := range []string{"", "0h", "-1h", "-3d", "d", "1.5d", "99999999999w", "12", "1dx", "0d"} {
		if d, err := ParseSpan(in); Exit(err) != Usage {
			t.Errorf("%s: got %v, %v", in, d, err)
		}
	}
}

func TestParseException(t *testing.T) {
	name, addr, err := parseException("Dav.Example.test=[::1]:5232")
	if err != nil || name != "dav.example.test" || addr.Port() != 5232 {
		t.Errorf("got %s, %v, %v", name, addr, err)
	}
	for _, in := range []string{"", "x", "=127.0.0.1:1", "x=127.0.0.1", "x=localhost:80", "x=127.0.0.1:99999"} {
		if _, _, err := parseException(in); Exit(err) != Usage {
			t.Errorf("%q: got %v", in, err)
		}
	}
}
