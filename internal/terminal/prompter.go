package terminal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The bounds of what a question shows, in runes.
const (
	maxTitle = 200
	maxQuote = 1000
)

// Prompter asks the owner at a terminal.
type Prompter struct{ t *Terminal }

var _ host.Prompter = (*Prompter)(nil)

// NewPrompter returns a prompter on t.
func NewPrompter(t *Terminal) *Prompter { return &Prompter{t} }

// Prompt shows the question and asks for each field in turn. Closing the
// input (Ctrl-D), answering wrong [MaxAttempts] times and pasting several lines
// decline.
func (p *Prompter) Prompt(ctx context.Context, q host.Prompt) (host.Answer, error) {
	if !q.Expires.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, q.Expires)
		defer cancel()
	}
	answer := host.Answer{}
	err := p.t.ask(ctx, func() error {
		p.t.print(heading(q))
		if len(q.Fields) == 0 {
			return p.acknowledge(ctx)
		}
		for _, f := range q.Fields {
			if err := p.field(ctx, f, answer); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, s := range answer {
			s.Zero()
		}
		return nil, declined(err)
	}
	return answer, nil
}

func declined(err error) error {
	if errors.Is(err, ErrEnd) || errors.Is(err, ErrAttempts) || errors.Is(err, ErrLines) {
		return fmt.Errorf("%w: %w", host.ErrDeclined, err)
	}
	return err
}

func heading(q host.Prompt) string {
	var b strings.Builder
	who := Quoted(q.Connector, maxTitle)
	if i := q.Scope.Instance; i != "" && i != vaultstore.DefaultInstance {
		who += " (" + Clean(i, maxTitle) + ")"
	}
	fmt.Fprintf(&b, "\n%s: %s\n", who, Clean(q.Title, maxTitle))
	if Clean(q.Quote, maxQuote) != "" {
		fmt.Fprintf(&b, "  the connector says: %s\n", Quoted(q.Quote, maxQuote))
	}
	b.WriteString("  (Ctrl-D declines)\n")
	return b.String()
}

func (p *Prompter) acknowledge(ctx context.Context) error {
	yes, err := p.t.confirm(ctx, "  is it done?")
	if err == nil && !yes {
		return ErrEnd
	}
	return err
}

func (p *Prompter) field(ctx context.Context, f host.Field, answer host.Answer) error {
	p.t.print(fieldHeading(f))
	for range MaxAttempts {
		value, err := p.value(ctx, f)
		if err != nil {
			return err
		}
		if len(value) == 0 {
			if !f.Required {
				return nil
			}
			p.t.print("  a value is needed here\n")
			continue
		}
		if wrong := check(f, value); wrong != nil {
			clear(value)
			p.t.print("  " + Clean(wrong.Error(), maxQuote) + "\n")
			continue
		}
		answer[f.Name] = vaultstore.NewSecret(value)
		clear(value)
		return nil
	}
	return ErrAttempts
}

func check(f host.Field, value []byte) error {
	if f.Check == nil {
		return nil
	}
	return f.Check(value)
}

func (p *Prompter) value(ctx context.Context, f host.Field) ([]byte, error) {
	if f.Secret {
		return p.t.secret(ctx, "  "+f.Name+" (not shown): ")
	}
	line, err := p.t.line(ctx, "  "+f.Name+": ")
	return []byte(line), err
}

func fieldHeading(f host.Field) string {
	var b strings.Builder
	title := Clean(f.Name, maxTitle)
	if t := Clean(f.Title, maxTitle); t != "" && t != title {
		title = Quoted(t, maxTitle)
	}
	fmt.Fprintf(&b, "  %s", title)
	var notes []string
	if f.Class != abi.ClassNone {
		notes = append(notes, ClassWords(f.Class))
	}
	if !f.Required {
		notes = append(notes, "optional, Enter skips it")
	}
	if len(notes) > 0 {
		fmt.Fprintf(&b, " [%s]", strings.Join(notes, "; "))
	}
	b.WriteByte('\n')
	if Clean(f.Description, maxQuote) != "" {
		fmt.Fprintf(&b, "  its author says: %s\n", Quoted(f.Description, maxQuote))
	}
	return b.String()
}

// ClassWords names a class for an owner.
func ClassWords(c abi.Class) string {
	switch c {
	case abi.ClassToken:
		return "long-lived token"
	case abi.ClassSession:
		return "session"
	case abi.ClassPassword:
		return "PASSWORD"
	case abi.ClassOneTime:
		return "one-time code, never stored"
	}
	return "account name, no secret"
}
