package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
)

// parseOptions reads name=value arguments, by the types that m declares.
func parseOptions(m *manifests.Manifest, args []string) (map[string]any, error) {
	options := map[string]any{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usage("--option %s: write NAME=VALUE", arg)
		}
		if _, twice := options[name]; twice {
			return nil, usage("--option %s is given twice; keep one", name)
		}
		value, err := m.Options.ParseText(name, text)
		if err != nil {
			return nil, usage("--option %s: %w", name, err)
		}
		options[name] = value
	}
	return options, nil
}

// bind puts the options together: those given, then what was approved before,
// then, on a terminal, answers. Options that do not fit are a usage error.
func (a *App) bind(ctx context.Context, m *manifests.Manifest, given []string, before map[string]any) (*manifests.Bound, error) {
	options, err := parseOptions(m, given)
	if err != nil {
		return nil, err
	}
	for name, value := range before {
		if _, known := m.Options.Lookup(name); !known {
			continue // of an older manifest
		}
		if _, ok := options[name]; !ok {
			options[name] = value
		}
	}
	if a.Terminal != nil {
		if err := a.askOptions(ctx, m, options, before != nil); err != nil {
			return nil, err
		}
	}
	b, err := m.Bind(options)
	if faults := (*manifests.Faults)(nil); errors.As(err, &faults) {
		return nil, usage("options of %s: %w; give them with %s", m.ConnectorKey, err, exampleOptions(m, options))
	}
	return b, err
}

// exampleOptions words the flags that would give what is required and missing,
// with values of the right form.
func exampleOptions(m *manifests.Manifest, have map[string]any) string {
	var flags []string
	for _, o := range m.Options.List() {
		if _, ok := have[o.Name]; !ok && o.Required && o.Default == nil {
			flags = append(flags, "--option "+quote(terminal.Clean(fmt.Sprintf("%s=%v", o.Name, exampleOf(o)), maxTitle)))
		}
	}
	if len(flags) == 0 {
		return "--option NAME=VALUE"
	}
	return "--option NAME=VALUE, as in " + strings.Join(flags, " ")
}

func exampleOf(o manifests.Option) any {
	if len(o.Enum) > 0 {
		return o.Enum[0]
	}
	switch o.Type {
	case "boolean":
		return true
	case "integer", "number":
		return 1
	}
	switch o.Format {
	case "uri", "url", "iri":
		return "https://host.example"
	case "email":
		return "you@host.example"
	case "hostname":
		return "host.example"
	case "date":
		return "2026-01-31"
	case "date-time":
		return "2026-01-31T12:00:00Z"
	}
	return "TEXT"
}

// askOptions asks for the options that have no value yet; those that can be
// left out only the first time.
func (a *App) askOptions(ctx context.Context, m *manifests.Manifest, options map[string]any, requiredOnly bool) error {
	for _, o := range m.Options.List() {
		if _, ok := options[o.Name]; ok || requiredOnly && !o.Required {
			continue
		}
		value, ok, err := a.askOption(ctx, m.Options, o)
		if err != nil {
			return err
		}
		if ok {
			options[o.Name] = value
		}
	}
	return nil
}

func (a *App) askOption(ctx context.Context, all *manifests.Options, o manifests.Option) (value any, ok bool, err error) {
	for range terminal.MaxAttempts {
		text, err := a.Terminal.Line(ctx, optionPrompt(o))
		if err != nil {
			return nil, false, asked(err)
		}
		if text == "" && (!o.Required || o.Default != nil) {
			return nil, false, nil
		}
		if text == "" {
			continue
		}
		if value, err := all.ParseText(o.Name, text); err == nil {
			return value, true, nil
		} else {
			fmt.Fprintln(a.Terminal.Screen(), terminal.Clean(err.Error(), maxMessage))
		}
	}
	return nil, false, asked(terminal.ErrAttempts)
}

func optionPrompt(o manifests.Option) string {
	notes := []string{o.Name}
	if len(o.Enum) > 0 {
		notes = append(notes, strings.Trim(fmt.Sprint(o.Enum), "[]"))
	}
	switch {
	case o.Default != nil:
		notes = append(notes, fmt.Sprintf("Enter for %v", o.Default))
	case !o.Required:
		notes = append(notes, "Enter leaves it out")
	}
	prompt := terminal.Clean(fmt.Sprintf("(%s):", strings.Join(notes, "; ")), maxMessage) + " "
	if o.Title != "" {
		prompt = terminal.Quoted(o.Title, maxTitle) + " " + prompt
	}
	if o.Description != "" {
		prompt = "the author says: " + terminal.Quoted(o.Description, maxMessage) + "\n" + prompt
	}
	return prompt
}

// maxTitle bounds what is shown of a manifest's short texts, in runes.
const maxTitle = 200
