package main

import (
	"errors"
	"strings"
)

// property is one line of a vCard, unfolded: item1.TEL;TYPE=cell:+44 …
type property struct {
	group  string // "item1", lower case
	name   string // upper case
	params map[string][]string
	value  string // as written: escapes are for the reader, who knows its shape
}

// vcard is one card, version 3 (RFC 2426) or 4 (RFC 6350).
type vcard []property

var errNoCard = errors.New("not a vCard")

// parseCard reads the first card of a text. Lines that are no properties are
// passed over: cards in the wild have such.
func parseCard(text string) (vcard, error) {
	var card vcard
	begun := false
	for line := range unfolded(text) {
		p, ok := parseLine(line)
		switch {
		case !ok:
		case p.name == "BEGIN" && strings.EqualFold(p.value, "VCARD"):
			if begun {
				return nil, errNoCard // one inside another
			}
			begun = true
		case p.name == "END" && strings.EqualFold(p.value, "VCARD"):
			if !begun {
				return nil, errNoCard
			}
			return card, nil
		case begun:
			card = append(card, p)
		}
	}
	return nil, errNoCard
}

// unfolded yields the logical lines: one that begins with a space or a tab
// goes on where the one before it ended.
func unfolded(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var whole strings.Builder
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\r\n")
			if line != "" && (line[0] == ' ' || line[0] == '\t') {
				whole.WriteString(line[1:])
				continue
			}
			if whole.Len() > 0 && !yield(whole.String()) {
				return
			}
			whole.Reset()
			whole.WriteString(line)
		}
		if whole.Len() > 0 {
			yield(whole.String())
		}
	}
}

// parseLine splits a line into group, name, parameters and value.
func parseLine(line string) (p property, ok bool) {
	colon := indexOutsideQuotes(line, ':')
	if colon < 0 {
		return p, false
	}
	p.value = line[colon+1:]
	parts := splitOutsideQuotes(line[:colon], ';')
	name := strings.ToUpper(strings.TrimSpace(parts[0]))
	if group, rest, found := strings.Cut(name, "."); found {
		p.group, name = strings.ToLower(group), rest
	}
	p.name = name
	for _, part := range parts[1:] {
		key, list, found := strings.Cut(part, "=")
		if !found { // TEL;HOME, as version 2.1 had it
			key, list = "TYPE", part
		}
		key = strings.ToUpper(strings.TrimSpace(key))
		if p.params == nil {
			p.params = map[string][]string{}
		}
		for _, v := range splitOutsideQuotes(list, ',') {
			p.params[key] = append(p.params[key], caret.Replace(strings.Trim(strings.TrimSpace(v), `"`)))
		}
	}
	return p, name != ""
}

// caret undoes the escapes of parameter values (RFC 6868).
var caret = strings.NewReplacer("^^", "^", "^n", "\n", "^'", `"`)

func indexOutsideQuotes(s string, sep byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return i
		}
	}
	return -1
}

func splitOutsideQuotes(s string, sep byte) (parts []string) {
	for {
		i := indexOutsideQuotes(s, sep)
		if i < 0 {
			return append(parts, s)
		}
		parts = append(parts, s[:i])
		s = s[i+1:]
	}
}

// splitEscaped splits a value at each sep that no backslash stands before, and
// undoes the escapes of the parts.
func splitEscaped(value string, sep byte) (parts []string) {
	begin := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++ // whatever it is
		case sep:
			parts = append(parts, unescape(value[begin:i]))
			begin = i + 1
		}
	}
	return append(parts, unescape(value[begin:]))
}

// unescape undoes the escapes of a text value.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i == len(s)-1 {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'n' || s[i] == 'N' {
			b.WriteByte('\n')
		} else {
			b.WriteByte(s[i])
		}
	}
	return strings.TrimSpace(b.String())
}

// all returns the properties of any of the names, in order.
func (c vcard) all(names ...string) (found []property) {
	for _, p := range c {
		for _, name := range names {
			if p.name == name {
				found = append(found, p)
			}
		}
	}
	return found
}

// text returns the first non-empty text of that name, "" when there is none.
func (c vcard) text(name string) string {
	for _, p := range c.all(name) {
		if v := unescape(p.value); v != "" {
			return v
		}
	}
	return ""
}

// list returns the parts of the first property of that name, split at sep.
func (c vcard) list(name string, sep byte) []string {
	for _, p := range c.all(name) {
		return splitEscaped(p.value, sep)
	}
	return nil
}
