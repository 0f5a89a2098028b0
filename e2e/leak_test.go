package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
)

// detector looks for canaries: values that nobody but their owner has, in
// every form that a careless or a cunning program might leave them in.
type detector struct {
	mu    sync.Mutex
	forms []form
	found []string
}

type form struct {
	what  string // "vault password, as hex": never the value
	bytes []byte
}

// add plants the forms of a value that stands for what.
func (d *detector) add(what, value string) {
	raw := []byte(value)
	reversed := slices.Clone(raw)
	slices.Reverse(reversed)
	var wide []byte
	for _, u := range utf16.Encode([]rune(value)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	var percent, escaped strings.Builder
	for _, b := range raw {
		fmt.Fprintf(&percent, "%%%02X", b)
		fmt.Fprintf(&escaped, "\\u%04x", b)
	}
	for name, text := range map[string][]byte{
		"raw": raw, "reversed": reversed, "UTF-16": wide,
		"hex": []byte(hex.EncodeToString(raw)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(raw))),
		"upper case": bytes.ToUpper(raw), "lower case": bytes.ToLower(raw),
		"percent": []byte(percent.String()), "JSON escapes": []byte(escaped.String()),
	} {
		d.forms = append(d.forms, form{what + ", " + name, text})
	}
	for offset := range 3 {
		d.forms = append(d.forms, form{fmt.Sprintf("%s, base64 at %d", what, offset), base64At(raw, offset)})
	}
}

// base64At returns the letters that raw makes in the base64 of a text in which
// it stands offset bytes after a multiple of three, whatever is around it.
// The canaries are ASCII letters and digits, which base64url writes alike but
// for two letters: see TestDetector.
func base64At(raw []byte, offset int) []byte {
	padded := append(make([]byte, offset), raw...)
	text := base64.RawStdEncoding.EncodeToString(padded)
	first := []int{0, 2, 3}[offset] // letters that the bytes before share
	last := len(padded) / 3 * 4     // and the bytes after
	return []byte(text[first:last])
}

// look searches data, and notes where what was found.
func (d *detector) look(where string, data []byte) {
	for _, f := range d.forms {
		if !bytes.Contains(data, f.bytes) {
			continue
		}
		d.mu.Lock()
		if hit := where + " holds the canary of " + f.what; !slices.Contains(d.found, hit) {
			d.found = append(d.found, hit)
		}
		d.mu.Unlock()
	}
}

// report fails the test for each canary found.
func (d *detector) report(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, hit := range d.found {
		t.Error(hit)
	}
}

// TestDetector: a detector that finds nothing proves nothing.
func TestDetector(t *testing.T) {
	const value = "Canary7Qx0zPw3mLk9"
	for _, text := range []string{
		value, "x" + value + "y", strings.ToUpper(value), strings.ToLower(value),
		base64.StdEncoding.EncodeToString([]byte(value)),
		base64.StdEncoding.EncodeToString([]byte("alice:" + value)),
		base64.StdEncoding.EncodeToString([]byte("alice1:" + value + "\n")),
		base64.StdEncoding.EncodeToString([]byte("al:" + value + " and more")),
		base64.URLEncoding.EncodeToString([]byte("bob::" + value)),
		hex.EncodeToString([]byte(value)), fmt.Sprintf("%X", value),
		"C\x00a\x00n\x00a\x00r\x00y\x007\x00Q\x00x\x000\x00z\x00P\x00w\x003\x00m\x00L\x00k\x009\x00",
	} {
		d := &detector{}
		d.add("test", value)
		if d.look("text", []byte("before "+text+" after")); len(d.found) == 0 {
			t.Errorf("not found in %q", text)
		}
	}
	d := &detector{}
	d.add("test", value)
	if d.look("text", []byte("Canary7Qx0zPw3mLk8 sp1Canary")); len(d.found) > 0 {
		t.Errorf("found what is not there: %v", d.found)
	}
}
