package manifests

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParse: nothing panics, an error is a list of faults, and what is
// accepted is read the same again, discloses, and holds what it promises.
func FuzzParse(f *testing.F) {
	f.Add(read(f, "contacts.json"))
	f.Add(read(f, "everything.json"))
	f.Add([]byte(`{"streams":[{"name":"s","schema":{"$ref":"#"},"primary_key":["id"]}]}`))
	f.Add([]byte(`{"credentials_schema":{"type":"object","properties":{"A":{"type":"string","class":"session","send_to":[{"origin":"https://*.a.b","as":"cookie"}]}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) { checkParse(t, raw) })
}

// FuzzParseEdited puts something else into one place of a manifest that is
// right, which chance alone would not.
func FuzzParseEdited(f *testing.F) {
	var doc any
	if err := json.Unmarshal(read(f, "everything.json"), &doc); err != nil {
		f.Fatal(err)
	}
	places := pointers(doc, "")
	for i, text := range []string{`"${options.shop}"`, `{"$ref":"#"}`, `[]`, `"https://*.x.example"`, `null`, `{"anyOf":[{"pattern":"("}]}`, `1e400`} {
		f.Add(uint16(i*31), text)
	}
	f.Fuzz(func(t *testing.T, place uint16, text string) {
		if !json.Valid([]byte(text)) {
			quoted, err := json.Marshal(text)
			if err != nil {
				return
			}
			text = string(quoted)
		}
		checkParse(t, edit(t, "everything.json", edits{places[int(place)%len(places)]: text}))
	})
}

// pointers lists every place in v but the whole, in a fixed order.
func pointers(v any, at string) (list []string) {
	n := node{value: v, pointer: at}
	inside := n.items()
	for _, key := range n.keys() {
		inside = append(inside, n.get(key))
	}
	for _, in := range inside {
		list = append(append(list, in.pointer), pointers(in.value, in.pointer)...)
	}
	return list
}

func checkParse(t *testing.T, raw []byte) {
	m, err := Parse(raw)
	if err != nil {
		var faults *Faults
		if m != nil || !errors.As(err, &faults) || len(faults.Faults) == 0 || len(faults.Faults) > MaxFaults || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Fatalf("%v, %v", m, err)
		}
		return
	}
	again, err := Parse(m.Raw())
	if err != nil || again.Digest() != m.Digest() || !reflect.DeepEqual(strip(again), strip(m)) {
		t.Fatalf("read again: %v", err)
	}
	for i := range m.Streams {
		_ = m.Streams[i].Validate([]byte(`{"id":"x","n":[1,{"a":null}]}`))
	}
	checkBound(t, m)
}

// strip leaves out what is compiled.
func strip(m *Manifest) Manifest {
	c := *m
	c.Streams = append([]Stream(nil), m.Streams...)
	for i := range c.Streams {
		c.Streams[i].schema = nil
	}
	c.Credentials = append([]Credential(nil), m.Credentials...)
	for i := range c.Credentials {
		c.Credentials[i].form = nil
	}
	if m.Options != nil {
		options := *m.Options
		options.schema = nil
		c.Options = &options
	}
	return c
}

func checkBound(t *testing.T, m *Manifest) {
	values := map[string]any{}
	for _, o := range m.Options.List() {
		if o.Type == "string" && o.Required {
			values[o.Name] = "https://bound.example"
		}
	}
	b, err := m.Bind(values)
	if err != nil {
		return
	}
	for _, c := range b.Credentials {
		if c.Identity != (c.Class == "") || len(c.Access) == 0 {
			t.Fatalf("credential %+v", c)
		}
		for _, d := range c.SendTo {
			o, wild, err := parseOriginRule(d.Origin)
			if err != nil || o.HTTP() && len(d.Paths) == 0 || !d.As.fits(o.Scheme) || wild && c.Class == "password" || len(newEgressIndex(b.Egress).covering(d.Origin)) == 0 {
				t.Fatalf("destination %+v of %s", d, c.Name)
			}
		}
		_ = c.ValidateValue([]byte("value"))
		checkSign(t, &c)
	}
	if text := b.Disclose().Text(); text != showableLines(text) {
		t.Fatalf("the disclosure has characters that do not show: %q", text)
	}
}

// checkSign: a template has one kind, shows as it is, has a pin, and makes a
// token that ends when it says.
func checkSign(t *testing.T, c *Credential) {
	if (c.Sign != nil) != slices.Contains(c.Access, "sign") {
		t.Fatalf("%s signs %v, with access %v", c.Name, c.Sign, c.Access)
	}
	for _, template := range c.Sign {
		if text := template.Describe(); text != showable(text) || template.Pin() == "" {
			t.Fatalf("%q, pinned %q", text, template.Pin())
		}
		if template.JWT == nil {
			continue
		}
		now := time.Unix(1e9, 0)
		_, claims, err := template.JWT.Render(now, "nonce", nil)
		if err == nil && claims["exp"] != now.Add(template.JWT.Lifetime-template.JWT.Backdate).Unix() {
			t.Fatalf("a token ends %v", claims["exp"])
		}
	}
}

func showableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = showable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// FuzzBindOrigin: whatever an option says, the origin stays of the kind that
// the manifest wrote.
func FuzzBindOrigin(f *testing.F) {
	for _, s := range []string{"a", "a.b", "m.example", "https://a.example/x", "a@b", "é", "a:1", "[::1]"} {
		f.Add(s)
	}
	var templates []template
	for _, text := range []string{"${options.x}", "https://${options.x}:8443", "imaps://${options.x}.a.example", "https://${options.x}", "smtp://${options.x}:${options.port}"} {
		t, err := parseTemplate(text)
		if err != nil {
			f.Fatal(err)
		}
		templates = append(templates, t)
	}
	f.Fuzz(func(t *testing.T, value string) {
		port := int64(len(value)-4) * 4096
		if o, err := templates[4].bind(map[string]any{"x": value, "port": port}); err == nil && (o.Scheme != "smtp" || int64(o.Port) != port || strings.Contains(o.Host, ":")) {
			t.Fatalf("%q, %d becomes %v", value, port, o)
		}
		if o, err := templates[0].bind(map[string]any{"x": value, "port": port}); err == nil && !o.HTTP() {
			t.Fatalf("%q becomes %v", value, o)
		}
		if o, err := templates[1].bind(map[string]any{"x": value, "port": port}); err == nil && (o.Scheme != "https" || o.Port != 8443) {
			t.Fatalf("%q becomes %v", value, o)
		}
		if o, err := templates[3].bind(map[string]any{"x": value, "port": port}); err == nil && (o.Scheme != "https" || o.Port != 443 || strings.Contains(o.Host, ":")) {
			t.Fatalf("%q becomes %v", value, o)
		}
		o, err := templates[2].bind(map[string]any{"x": value, "port": port})
		if err == nil && (o.Scheme != "imaps" || o.Port != 993 || !strings.HasSuffix(o.Host, ".a.example") || strings.Count(o.Host, ".") != 2) {
			t.Fatalf("%q becomes %v", value, o)
		}
	})
}
