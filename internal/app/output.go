package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
)

// Result is what a command found or did. It marshals to the document that
// --json prints.
type Result interface {
	// Text writes the result for a person.
	Text(w io.Writer) error
	// Then is the command that usually comes next, "" when none does.
	Then() string
}

// next is embedded in results.
type next struct {
	Next string `json:"next,omitempty"`
}

// Then returns the next command.
func (n next) Then() string { return n.Next }

// Print writes r to stdout as text or JSON. With text it adds, on stderr,
// what comes next, unless quiet.
func Print(r Result, asJSON, quiet bool, stdout, stderr io.Writer) error {
	if asJSON {
		return PrintJSON(stdout, r)
	}
	if err := r.Text(stdout); err != nil {
		return internal("write to stdout: %w", err)
	}
	if n := r.Then(); n != "" && !quiet {
		_, _ = fmt.Fprintf(stderr, "next: %s\n", n) // a hint
	}
	return nil
}

// PrintJSON writes v as one indented document.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return internal("write to stdout: %w", err)
	}
	return nil
}

// errorDocument is what --json prints of an error, on stderr: one line, as
// all lines there are JSON then.
type errorDocument struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code     string            `json:"code"`
	ExitCode Code              `json:"exit_code"`
	Message  string            `json:"message"`
	Refusals []*host.Refusal   `json:"refusals,omitempty"`
	Faults   []manifests.Fault `json:"faults,omitempty"`
}

// PrintError writes err to stderr, for a person or as a line of JSON.
func PrintError(err error, asJSON bool, stderr io.Writer) {
	faults := (*manifests.Faults)(nil)
	errors.As(err, &faults)
	if asJSON {
		body := errorBody{Code: Exit(err).String(), ExitCode: Exit(err), Message: message(err), Refusals: refusals(err)}
		if faults != nil {
			body.Faults = faults.Faults
		}
		enc := json.NewEncoder(stderr)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(errorDocument{body}) // nowhere left to say it
		return
	}
	_, _ = fmt.Fprintf(stderr, "sallyport: %s\n", message(err))
	if faults != nil && len(faults.Faults) > 1 {
		for _, line := range faults.Lines() {
			_, _ = fmt.Fprintf(stderr, "  %s\n", terminal.Clean(line, maxMessage))
		}
	}
}

// refusals collects every refusal that err is or joins.
func refusals(err error) []*host.Refusal {
	if r, ok := err.(*host.Refusal); ok {
		return []*host.Refusal{r}
	}
	var all []*host.Refusal
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		all = refusals(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, refusals(inner)...)
		}
	}
	return all
}

// maxMessage bounds an error's text, in runes.
const maxMessage = 4000

// message is err as one line, without what could paint over the terminal:
// it may hold a source's or a connector's words.
func message(err error) string {
	text := err.Error()
	if Exit(err) == Interrupted {
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	return terminal.Clean(sayOnce(strings.ReplaceAll(text, "\n", "; ")), maxMessage)
}

// sayOnce takes out what an error says twice in a row of where it comes from:
// who wraps it does not know what it says of itself.
func sayOnce(text string) string {
	const sep = ": "
	var parts []string
	for _, part := range strings.Split(text, sep) {
		if n := len(parts); n > 0 && (part == parts[n-1] || strings.HasPrefix(part, parts[n-1]+" ")) {
			parts = parts[:n-1]
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, sep)
}
