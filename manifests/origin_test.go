package manifests

import (
	"errors"
	"strings"
	"testing"
)

func TestParseOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://api.example.com":       "https://api.example.com",
		"HTTPS://API.Example.COM:443/":  "https://api.example.com",
		"http://localhost:80":           "http://localhost",
		"http://localhost:8080":         "http://localhost:8080",
		"imap://m.example:143":          "imap://m.example",
		"imaps://m.example:993":         "imaps://m.example",
		"smtp://m.example:587":          "smtp://m.example",
		"smtp://m.example:25":           "smtp://m.example:25",
		"smtps://m.example":             "smtps://m.example",
		"tls://m.example:6697":          "tls://m.example:6697",
		"https://127.0.0.1:8443":        "https://127.0.0.1:8443",
		"https://[2001:DB8:0:0::1]":     "https://[2001:db8::1]",
		"https://[::1]:8443":            "https://[::1]:8443",
		"https://bücher.example":        "https://xn--bcher-kva.example",
		"https://XN--BCHER-KVA.example": "https://xn--bcher-kva.example",
		"https://ｅxample.com":           "https://example.com",
		"https://1password.com":         "https://1password.com",
		"https://0xen.example":          "https://0xen.example",
	} {
		o, err := ParseOrigin(in)
		if err != nil || o.String() != want {
			t.Errorf("ParseOrigin(%q) = %q, %v; want %q", in, o, err, want)
		}
		if o.Port == 0 {
			t.Errorf("ParseOrigin(%q) has port 0", in)
		}
	}
}

func TestParseOriginRefuses(t *testing.T) {
	for _, in := range []string{
		"", "example.com", "//example.com", "https:example.com", "https:/example.com", "https://", "https:///x",
		"ftp://example.com", "file:///etc/passwd", "javascript://x", "tls://m.example",
		"https://user@example.com", "https://user:pw@example.com", "https://@example.com", "https://a@b@example.com",
		"https://example.com/x", "https://example.com//", "https://example.com?", "https://example.com/?q", "https://example.com#f",
		"https://example.com:", "https://example.com:0", "https://example.com:65536", "https://example.com:+80",
		"https://example.com:080", "https://example.com:8 0", "https://example.com:80:80", "https://example.com:http",
		"https://example.com.", "https://.example.com", "https://a..b", "https://-a.example", "https://a-.example",
		"https://a_b.example", "https://exa mple.com", "https://exa%6dple.com", "https://example.com\\x", "https://example.com\x00",
		"https://127.1", "https://2130706433", "https://0x7f000001", "https://0x7f.0.0.1", "https://0177.0.0.1",
		"https://127.0.0.01", "https://127.0.0.256", "https://1.2.3.4.5", "https://0x", "https://example.0x1f", "https://example.123",
		"https://１２７.1", "https://127。1",
		"https://[::1", "https://::1", "https://[::1]x", "https://[127.0.0.1]", "https://[fe80::1%25eth0]", "https://[fe80::1%eth0]",
		"https://[::ffff:127.0.0.1]", "https://[]", "https://[example.com]",
		"https://*.example.com", "https://${options.x}", "https://xn--a.example", "https://a\u200db.example",
		"https://" + strings.Repeat("a", 64) + ".example", "https://" + strings.Repeat("a.", 127) + "example",
	} {
		if o, err := ParseOrigin(in); err == nil {
			t.Errorf("ParseOrigin(%q) = %v, want an error", in, o)
		} else if !errors.Is(err, ErrOrigin) {
			t.Errorf("ParseOrigin(%q): %v does not wrap ErrOrigin", in, err)
		}
	}
}

func TestParseOriginErrorNeverQuotes(t *testing.T) {
	const canary = "canary7f3a"
	for _, in := range []string{
		"https://user:" + canary + "@example.com", canary + "://x", "https://" + canary + "_x", "https://x:" + canary, "https://x/" + canary,
	} {
		if _, err := ParseOrigin(in); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("an error for an origin quotes it: %v", err)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"https://api.example.com", "tls://[::1]:99", "https://bücher.example:444/", "http://1.2.3.4", "https://*.x.y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			if o != (Origin{}) {
				t.Fatalf("%q: an error with an origin %v", s, o)
			}
			return
		}
		if strings.ContainsAny(o.Host, "@/\\?#%* []") || o.Host != strings.ToLower(o.Host) || o.Port == 0 {
			t.Fatalf("%q is not canonical: %#v", s, o)
		}
		again, err := ParseOrigin(o.String())
		if err != nil || again != o {
			t.Fatalf("%q: %q reads back as %v, %v", s, o.String(), again, err)
		}
		if !MatchOrigin(o.String(), o) {
			t.Fatalf("%q does not match itself", o)
		}
	})
}
