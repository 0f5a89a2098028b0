package terminal

import (
	"strings"
	"unicode"
)

// Clean makes one line of what someone else wrote: control, format and
// bidirectional characters, line and paragraph separators and invalid UTF-8
// are gone, runs of spaces are one space, and past max runes it is cut with
// an ellipsis.
func Clean(s string, max int) string {
	return cut(strings.Join(strings.FieldsFunc(visible(s), unicode.IsSpace), " "), max)
}

// Quoted is [Clean] for the words of somebody else, a connector or its author,
// in quotes that they cannot close.
func Quoted(s string, max int) string {
	return "“" + strings.NewReplacer("“", "\"", "”", "\"").Replace(Clean(s, max)) + "”"
}

// CleanLines is [Clean] for text of several lines: ends of line and the
// spaces of indentation stay.
func CleanLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRightFunc(visible(line), unicode.IsSpace)
	}
	return strings.Join(lines, "\n")
}

// visible keeps what has a shape of its own. Marks stay, as names need them,
// but no more of them in a row than a name has.
func visible(s string) string {
	const maxMarks = 4
	var b strings.Builder
	marks := 0
	for _, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\v' || r == '\f':
			r = ' '
		case r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
			continue
		case blank(r):
			continue
		}
		if unicode.In(r, unicode.M) {
			if marks++; marks > maxMarks {
				continue
			}
		} else {
			marks = 0
		}
		b.WriteRune(r)
	}
	return b.String()
}

// blank reports letters that are drawn as nothing.
func blank(r rune) bool {
	switch r {
	case 0x115F, 0x1160, 0x3164, 0xFFA0: // Hangul fillers
		return true
	case 0x2800: // Braille pattern blank
		return true
	}
	return false
}
