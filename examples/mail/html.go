package main

import (
	"html"
	"maps"
	"slices"
	"strings"
)

// blocks are the elements around which a line ends.
var blocks = map[string]bool{"p": true, "br": true, "div": true, "tr": true, "li": true, "table": true, "ul": true, "ol": true,
	"h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "blockquote": true, "hr": true, "pre": true}

// hidden are the elements of which nothing is read.
var hidden = map[string]bool{"script": true, "style": true, "head": true, "title": true, "template": true}

// stripHTML returns the text of a page: for reading, not for showing. It takes
// time in proportion to the page.
func stripHTML(page string) string {
	var b strings.Builder
	lower := lowerASCII(page) // of the same length
	for i := 0; i < len(page); {
		open := indexFrom(page, "<", i)
		writeText(&b, page[i:open])
		if strings.HasPrefix(page[open:], "<!--") {
			i = pastFrom(page, "-->", open)
			continue
		}
		i = pastFrom(page, ">", open)
		name := tagName(lower[open:i])
		switch {
		case blocks[strings.TrimPrefix(name, "/")]:
			b.WriteByte('\n')
		case hidden[name]:
			end := indexFrom(lower, "</"+name, i)
			i = pastFrom(page, ">", end)
		}
	}
	return tidy(clean(html.UnescapeString(b.String())))
}

// writeText writes what stands between two tags: white space of any kind and
// length is a space.
func writeText(b *strings.Builder, text string) {
	space := func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
	for i := range len(text) {
		switch {
		case !space(text[i]):
			b.WriteByte(text[i])
		case i == 0 || !space(text[i-1]):
			b.WriteByte(' ')
		}
	}
}

// indexFrom returns where sub is in s from i on, the end of s where it is not.
func indexFrom(s, sub string, i int) int {
	if at := strings.Index(s[i:], sub); at >= 0 {
		return i + at
	}
	return len(s)
}

// pastFrom returns where sub has ended in s from i on.
func pastFrom(s, sub string, i int) int { return min(indexFrom(s, sub, i)+len(sub), len(s)) }

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// tagName is the name in "<name …>", with the slash of an end.
func tagName(tag string) string {
	tag = strings.Trim(tag, "<>")
	if end := strings.IndexAny(tag, " \t\r\n"); end >= 0 {
		tag = tag[:end]
	}
	return strings.TrimSuffix(tag, "/")
}

// tidy trims lines, and leaves at most one empty one in a row.
func tidy(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" && (len(lines) == 0 || lines[len(lines)-1] == "") {
			continue
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
