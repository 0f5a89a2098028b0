package manifests

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAuthorRunes bounds what is shown of a text that the connector's author
// wrote. It is less than a line of [Disclosure.Text]: a longer one could fill
// a line between the quotes and pass for a sentence of ours.
const maxAuthorRunes = 72

// clean is a text of the author's as it may be shown: on one line, without
// characters that do not show, without quotes that could end ours, and cut. It
// leaves alone what it has cleaned before.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !isShown(r) || r == utf8.RuneError:
			return -1
		case isQuote(r):
			return '\''
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxAuthorRunes {
		s = strings.TrimRight(string([]rune(s)[:maxAuthorRunes-1]), " ") + "…"
	}
	return s
}

// isQuote reports whether r looks like a double quotation mark.
func isQuote(r rune) bool {
	return r == '"' || unicode.Is(unicode.Quotation_Mark, r) && r != '\'' && r != '‘' && r != '’' ||
		strings.ContainsRune("″‶‴ʺ˝ˮ״〃❝❞", r)
}

// quoted marks a text as the author's and not ours.
func quoted(s string) string { return `"` + clean(s) + `"` }

func quotedAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quoted(s)
	}
	return out
}

// setting writes an option's value: the author chose what stands there when
// the owner chose nothing.
func setting(value any) string {
	switch v := value.(type) {
	case nil, bool, float64, json.Number, int, int64:
		return clean(fmt.Sprint(v))
	}
	return quoted(fmt.Sprint(value))
}

// label is the stream's name for the owner.
func (s *Stream) label() string {
	if label := clean(s.DisplayLabel); label != "" {
		return label
	}
	return clean(strings.ReplaceAll(s.Name, "_", " "))
}

func (c *Credential) shownTitle() string {
	if title := clean(c.Title); title != "" {
		return title
	}
	return c.Name
}
