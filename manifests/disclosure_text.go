package manifests

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// textColumns is the width of [Disclosure.Text].
const textColumns = 78

// Text renders the disclosure for a terminal, in at most 78 columns, without
// escape codes. Only a word that is longer by itself, such as an address,
// goes on beyond them: breaking it could make it look like another.
func (d Disclosure) Text() string {
	var w textWriter
	w.paragraph("", "A connector that calls itself "+quoted(d.Connector)+", version "+quoted(d.Version))
	w.blank()
	w.paragraph("", d.Summary)
	if len(d.Unencrypted) > 0 {
		w.blank()
		w.paragraph("", "WITHOUT ENCRYPTION: whoever is on the way can read and change what goes to and comes from "+join(d.Unencrypted, "and")+".")
	}
	if len(d.Credentials) > 0 {
		w.heading("What it may use")
		for _, c := range d.Credentials {
			w.item(quoted(c.Title) + " (" + c.Name + "): " + c.Text)
			for _, to := range c.SentTo {
				w.entry("    ", "sent to "+to)
			}
			for _, sign := range c.Signs {
				w.entry("    ", sign)
			}
		}
	}
	w.list("What it collects", quotedAll(d.Streams))
	w.list("Your settings", settings(d.Options))
	w.list("Where it may connect", d.Reaches)
	w.list("Except", d.Denied)
	w.list("What Sallyport calls for it", d.HostCalls)
	w.heading("What it cannot do")
	w.paragraph("  ", d.CannotReach)
	return w.String()
}

func settings(options map[string]any) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		list = append(list, showable(name+": "+setting(options[name])))
	}
	return list
}

type textWriter struct{ strings.Builder }

func (w *textWriter) blank() { w.WriteByte('\n') }

func (w *textWriter) heading(s string) {
	w.blank()
	w.WriteString(s + "\n")
}

func (w *textWriter) list(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	w.heading(heading)
	for _, item := range items {
		w.item(item)
	}
}

func (w *textWriter) item(s string) { w.entry("  ", s) }

// entry writes s after a dash, what follows the first line beneath it.
func (w *textWriter) entry(indent, s string) {
	w.wrap(indent+"- ", indent+"  ", s)
}

func (w *textWriter) paragraph(indent, s string) { w.wrap(indent, indent, s) }

func (w *textWriter) wrap(first, indent, s string) {
	line := first
	empty := true
	for _, word := range strings.Fields(s) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textColumns {
			w.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	w.WriteString(line + "\n")
}
