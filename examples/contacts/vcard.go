package main

import (
	"cmp"
	"slices"
	"strings"
)

// property is one line of a vCard, unfolded: item1.TEL;TYPE=cell:+44 …
type property struct {
	group  string // "item1", lower case
	name   string // upper case
	params map[string][]string
	value  string // as written: escapes are for the reader, who knows its shape
}

// vcard is one card, version 3 (RFC 2426) or 4 (RFC 6350), or as much of
// version 2.1 as is still met with.
type vcard []property

// parseCard reads the first card of a text, nil when there is none. Lines that
// are no properties are passed over: cards in the wild have such. So are cards
// inside the card: an AGENT, of version 2.1.
func parseCard(text string) (card vcard, faults []fault) {
	depth := 0
	for line := range unfolded(text) {
		p, ok := parseLine(line)
		if !ok {
			continue
		}
		isCard := strings.EqualFold(strings.TrimSpace(p.value), "VCARD")
		switch {
		case p.name == "BEGIN" && isCard && depth == 0 && card != nil:
			return card, append(faults, several)
		case p.name == "BEGIN" && isCard:
			depth++
			if card == nil {
				card = vcard{}
			}
		case p.name == "AGENT" && depth > 0 && strings.EqualFold(strings.TrimSpace(p.value), "BEGIN:VCARD"):
			depth++
		case p.name == "END" && isCard:
			depth = max(depth-1, 0)
		case depth == 1:
			var whole bool
			if p, whole = p.decoded(); !whole && !slices.Contains(faults, undecodable) {
				faults = append(faults, undecodable)
			}
			card = append(card, p)
		}
	}
	switch {
	case card == nil:
		return nil, []fault{notVCard}
	case depth > 0:
		faults = append(faults, truncated)
	}
	return card, faults
}

// unfolded yields the logical lines: one that begins with a space or a tab
// goes on where the one before it ended, and so does what follows a line in
// quoted-printable that ends in "=".
func unfolded(text string) func(yield func(string) bool) {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return func(yield func(string) bool) {
		var whole strings.Builder
		soft := false // the line in whole goes on
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			folded := !soft && line != "" && (line[0] == ' ' || line[0] == '\t')
			if folded {
				line = line[1:]
			}
			if !soft && !folded {
				if whole.Len() > 0 && !yield(whole.String()) {
					return
				}
				whole.Reset()
			}
			next, isSoft := strings.CutSuffix(strings.TrimRight(line, " \t"), "=")
			if soft = isSoft && quotedPrintable(cmp.Or(whole.String(), line)); soft {
				line = next
			}
			whole.WriteString(line)
		}
		if whole.Len() > 0 {
			yield(whole.String())
		}
	}
}

// quotedPrintable reports whether a line says that its value is so encoded.
func quotedPrintable(line string) bool {
	p, ok := parseLine(line)
	return ok && p.encoding() == "QUOTED-PRINTABLE"
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
			if isEncoding(part) {
				key = "ENCODING"
			}
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
