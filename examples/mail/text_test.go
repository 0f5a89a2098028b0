package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

func TestHeaderOfAnyKind(t *testing.T) {
	h := readHeader([]byte("Subject: one\r\n two\r\nSUBJECT: second\r\nno field\r\n stray\r\nFrom : a@x\r\nX: Gr\xfc\xdfe\r\nY: Grüße\r\n\r\n"))
	if *h.text("subject") != "one two" || h["from"] != "a@x" || h["x"] != "Grüße" || h["y"] != "Grüße" || h.text("date") != nil {
		t.Errorf("%q", h)
	}
	for _, c := range []struct{ value, want string }{
		{`Ada <ada@x>, "Hopper, Grace" <grace@y>`, `[{"name":"Ada","email":"ada@x"},{"name":"Hopper, Grace","email":"grace@y"}]`},
		{`=?utf-8?q?J=C3=BCrgen?= <j@x>`, `[{"name":"Jürgen","email":"j@x"}]`},
		{`=?x-unknown?q?abc?= <j@x>`, `[{"name":"=?x-unknown?q?abc?=","email":"j@x"}]`},
		{`undisclosed-recipients:;`, `[]`},
		{`Friends: ada@x, grace@y;`, `[{"name":null,"email":"ada@x"},{"name":null,"email":"grace@y"}]`},
		{`"Broken <a@x>, b@y`, `[{"name":"Broken","email":"a@x"},{"name":null,"email":"b@y"}]`},
		{"\xff\xfe <a@x", `[{"name":"�","email":"a@x"}]`},
		{"", `[]`},
	} {
		raw, err := json.Marshal(header{"to": c.value}.addresses("to"))
		if err != nil || string(raw) != c.want {
			t.Errorf("%q gives %s, want %s", c.value, raw, c.want)
		}
	}
	if got := (header{"references": "<a@x>\t<b@y><c@z> junk"}).ids("references"); !slices.Equal(got, []string{"a@x", "b@y", "c@z", "junk"}) {
		t.Errorf("ids %q", got)
	}
	for value, want := range map[string]string{"Tue, 24 Nov 2026 09:59:00 +0100 (CET)": "2026-11-24T08:59:00Z", "Tue, 24 Nov 10000 09:59:00 +0100": "", "yesterday": ""} {
		if got := (header{"date": value}).date(); (got == nil) != (want == "") || got != nil && *got != want {
			t.Errorf("%q is another date than %q", value, want)
		}
	}
}

func TestParameterIsDecoded(t *testing.T) {
	for _, c := range []struct {
		params map[string]string
		want   string
	}{
		{map[string]string{"filename": "a.pdf"}, "a.pdf"},
		{map[string]string{"filename": "=?utf-8?q?=C3=BC.pdf?="}, "ü.pdf"},
		{map[string]string{"filename*": "utf-8''%C3%BC.pdf"}, "ü.pdf"},
		{map[string]string{"filename*0": `long "`, "filename*1": "name.pdf"}, `long "name.pdf`},
		{map[string]string{"filename*0*": "utf-8''%C3%BC", "filename*1": ".pdf"}, "ü.pdf"},
		{map[string]string{"filename*": "%%%"}, ""},
		{nil, ""},
	} {
		if got := param(c.params, "filename"); got != c.want {
			t.Errorf("%q gives %q, want %q", c.params, got, c.want)
		}
	}
}

func TestTextIsDecoded(t *testing.T) {
	for _, c := range []struct{ encoding, charset, raw, want string }{
		{"7bit", "", "plain", "plain"},
		{"8bit", "utf-8", "Gr\xc3\xbc\xc3\x9fe", "Grüße"},
		{"8BIT", "ISO-8859-1", "Gr\xfc\xdfe", "Grüße"},
		{"quoted-printable", "windows-1252", "=80 100=\r\n,-", "€ 100,-"},
		{"quoted-printable", "utf-8", "cut =", "cut "},
		{"base64", "utf-8", "R3LD\r\nvMOfZQ==", "Grüße"},
		{"base64", "utf-8", "R3L!DvMOfZ", "Grüß"},
		{"base64", "shift_jis", "k/qWew==", "日本"},
		{"7bit", "iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
		{"7bit", "x-unknown", "abc\xff", "abc\uFFFD"},
		{"7bit", "utf-8", "a\x00b", "a\uFFFDb"},
	} {
		p := &part{BodyStructureSinglePart: &imap.BodyStructureSinglePart{Encoding: c.encoding, Params: map[string]string{"charset": c.charset}}}
		got, known := decodePart(p, []byte(c.raw))
		if got != c.want || known != (c.charset != "x-unknown") {
			t.Errorf("%s %s gives %q, %v, want %q", c.encoding, c.charset, got, known, c.want)
		}
	}
}

func TestHTMLIsRead(t *testing.T) {
	for page, want := range map[string]string{
		"<p>Hello,\n  <b>Ada</b>!</p><p>Bye</p>":                                    "Hello, Ada!\n\nBye",
		"<html><head><title>x</title><style>p{}</style></head><body>a<br/>b</body>": "a\nb",
		"<SCRIPT>if (a<b) {}</SCRIPT>text<!-- <p>not</p> -->":                       "text",
		"&lt;b&gt; &amp; &uuml;&nbsp;x":                                             "<b> & ü\u00a0x",
		"<p>unclosed <a href='x'":                                                   "unclosed",
		"<style>never closed":                                                       "",
		"a<div></div><div></div><div></div>b":                                       "a\n\nb",
		"":                                                                          "",
		"no markup":                                                                 "no markup",
		strings.Repeat("<style></style>", 1<<16) + "end" + strings.Repeat("<!-- --><x", 1<<15): "end",
	} {
		if got := stripHTML(page); got != want {
			t.Errorf("%.60q gives %.60q, want %q", page, got, want)
		}
	}
}

func TestSnippetIsShort(t *testing.T) {
	if got := snippet(" a\r\n\r\n b\tc "); got != "a b c" {
		t.Errorf("%q", got)
	}
	if got := snippet(strings.Repeat("ü", 180) + " word " + strings.Repeat("x", 40) + " more"); got != strings.Repeat("ü", 180)+" word…" {
		t.Errorf("%q", got)
	}
	if got := snippet(strings.Repeat("ü", 180) + " " + strings.Repeat("x", 19)); utf8.RuneCountInString(got) != snippetRunes {
		t.Errorf("%q", got)
	}
	if got := snippet(strings.Repeat("ü", 500)); utf8.RuneCountInString(got) != snippetRunes+1 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d runes", utf8.RuneCountInString(got))
	}
}

func TestUIDSets(t *testing.T) {
	a, b := setOf([]uint32{5, 1, 2, 3, 5, 9}), setOf([]uint32{2, 3, 7})
	for _, c := range []struct {
		name      string
		got, want uidSet
	}{
		{"a", a, uidSet{1, 2, 3, 5, 9}},
		{"without", a.without(b), uidSet{1, 5, 9}},
		{"and", a.and(b), uidSet{2, 3}},
		{"or", a.or(b), uidSet{1, 2, 3, 5, 7, 9}},
		{"from", a.from(4), uidSet{5, 9}},
		{"from a member", a.from(5), uidSet{5, 9}},
		{"from the end", a.from(10), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if got := a.imap().String(); got != "1:3,5,9" {
		t.Errorf("in a command: %s", got)
	}
	var every []uint32
	for uid := uint32(1); uid < 300_000; uid += 2 {
		every = append(every, uid)
	}
	packed := uidSet(every).pack()
	if most := 3 * len(every); len(packed) > most {
		t.Errorf("%d messages with a gap after each take %d bytes, more than %d", len(every), len(packed), most)
	}
	for _, s := range []uidSet{nil, {1}, a, every, {1, 1<<32 - 1}, {1<<32 - 2, 1<<32 - 1}} {
		if got, err := unpack(s.pack()); err != nil || !slices.Equal(got, s) {
			t.Errorf("a set of %d came back as %d, %v", len(s), len(got), err)
		}
	}
	for _, bad := range []string{"?", "AA", "gA", "AQ", "Af____8P", "AP////8PAQ", "AYCAgIAQ"} {
		if got, err := unpack(bad); err == nil {
			t.Errorf("%q is taken for %d UIDs", bad, len(got))
		}
	}
}

func FuzzUIDs(f *testing.F) {
	f.Add(uidSet{1, 2, 3, 9}.pack())
	f.Add("AYCAgIAQ")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<10 {
			return
		}
		set, err := unpack(text)
		if err != nil {
			return
		}
		if again, err := unpack(set.pack()); err != nil || !slices.Equal(set, again) || !slices.IsSorted(set) {
			t.Errorf("%d UIDs came back as %d, %v", len(set), len(again), err)
		}
	})
}

// FuzzMessage: whatever a message says, what becomes of it is a record.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("From: a <b@c>\r\nSubject: =?utf-8?q?x?=\r\nReferences: <a> <b>\r\n"), "base64", "iso-8859-1", "utf-8''%20", []byte("<p>x</p>"))
	f.Add([]byte(" \r\n:\r\nTo: \"\r\n"), "quoted-printable", "shift_jis", "=?", []byte("=\r\n<!--"))
	f.Fuzz(func(t *testing.T, head []byte, encoding, charset, name string, text []byte) {
		single := &imap.BodyStructureSinglePart{Type: "text", Subtype: "html", Encoding: encoding, ID: name, Size: 1,
			Params: map[string]string{"charset": charset, "name*": name, "name": name}}
		got := &fetched{uid: 1, header: readHeader(head), structure: single, flags: []string{name}}
		decoded, _ := decodePart(&part{BodyStructureSinglePart: single}, text)
		said := &texts{html: &decoded}
		id := messageID(name, 1, 1)
		for _, record := range []any{messageOf(got, folder{Name: name}, 1, said.plain()), bodyOf(got, id, said), attachmentsOf(got, id)} {
			raw, err := json.Marshal(record)
			if err != nil || !utf8.Valid(raw) {
				t.Errorf("%v", err)
			}
		}
		if m := messageOf(got, folder{Name: name}, 1, ""); m.ThreadID == "" {
			t.Error("no thread")
		}
	})
}
