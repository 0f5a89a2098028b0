package manifests

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckPath(t *testing.T) {
	for _, p := range []string{
		"/", "/a", "/a/", "/a/b.json", "/.well-known/carddav", "/a/...", "/a/..b", "/a/b..", "/a;v=1", "/..a;x", "/a%20b", "/%C3%BC",
		"/%7Euser", "/users/@me", "/a:b", "/100%25%20sure", "/a(b)!*", "/[x]", "/;",
	} {
		if err := CheckPath(p); err != nil {
			t.Errorf("CheckPath(%q): %v", p, err)
		}
	}
	for _, p := range []string{
		"", "a", "*", "//", "//a", "/a//b", "/.", "/..", "/a/.", "/a/..", "/a/./b", "/a/../b", "/%2e", "/%2E%2e/x", "/.%2e",
		"/..;/admin", "/.;x", "/%2e%2e;a/b", "/..%3ba", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%00", "/a%0a", "/a%7f", "/a\x00", "/a b", "/a\n",
		"/%", "/%2", "/%zz", "/a%", "/%252f", "/%252e%252e", "/%255c", "/%2500", "/%25252f", "/ü", "/a?b", "/a#b", `/a"b`, "/a<b", "/a|b", "/{a}", "/a^b",
		"/%c0%ae%c0%ae", "/%ff", "/%C3", "/%C3a", "/%C3/%BC", "/%C2%85", "/%ED%A0%80", "/" + strings.Repeat("a", 8<<10),
	} {
		if err := CheckPath(p); err == nil {
			t.Errorf("CheckPath(%q) accepts", p)
		} else if !errors.Is(err, ErrPath) {
			t.Errorf("CheckPath(%q): %v does not wrap ErrPath", p, err)
		}
	}
}

func TestMatchPath(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/**", "/", true}, {"/**", "/a/b/c", true}, {"/", "/", true}, {"/", "/a", false},
		{"/*", "/a", true}, {"/*", "/", false}, {"/*", "/a/b", false}, {"/*", "/a/", false},
		{"/a", "/a", true}, {"/a", "/a/", false}, {"/a/", "/a/", true}, {"/a/", "/a", false}, {"/a", "/ab", false}, {"/a", "/A", false},
		{"/v1/**", "/v1", true}, {"/v1/**", "/v1/", true}, {"/v1/**", "/v1/x/y", true}, {"/v1/**", "/v12", false}, {"/v1/**", "/v2/v1", false},
		{"/**/x", "/x", true}, {"/**/x", "/a/b/x", true}, {"/**/x", "/a/b/xx", false}, {"/**/x", "/a/x/b", false},
		{"/a/**/b/*/c", "/a/b/1/c", true}, {"/a/**/b/*/c", "/a/b/b/1/b/2/c", true}, {"/a/**/b/*/c", "/a/b/c", false},
		{"/**/a/**/b", "/x/a/y/b", true}, {"/**/a/**/b", "/x/b/y/a", false},
		{"/*/x/**", "/a/x", true}, {"/*/x/**", "/a/y/x", false},
		{"/admin", "/%61dmin", true}, {"/users/@me", "/users/%40me", true}, {"/%C3%BC", "/%c3%bc", true}, {"/%2A", "/*", true}, {"/%2A", "/a", false},
		{"/a%20b", "/a+b", false},
		{"", "/", false}, {"a", "a", false}, {"/**", "", false},
	} {
		if got := MatchPath([]string{c.pattern}, c.path); got != c.want {
			t.Errorf("MatchPath(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
	if MatchPath(nil, "/") {
		t.Error("no patterns match")
	}
	if !MatchPath([]string{"/a", "/b"}, "/b") {
		t.Error("the second pattern is not looked at")
	}
}

func TestCheckPattern(t *testing.T) {
	for _, p := range []string{"/", "/**", "/*", "/a/*/b/**", "/**/a/**", "/a%2Ab", "/.well-known/x"} {
		if err := checkPattern(p); err != nil {
			t.Errorf("checkPattern(%q): %v", p, err)
		}
	}
	for _, p := range []string{"", "**", "/a*", "/***", "/**/**", "/a/../b", "//", "/a//b", "/a?x", "/*.json"} {
		if checkPattern(p) == nil {
			t.Errorf("checkPattern(%q) accepts", p)
		}
	}
}

func TestMatchPathDoesNotBackTrackForEver(t *testing.T) {
	pattern := strings.Repeat("/**/a", 200) + "/b"
	path := strings.Repeat("/a", 4000)
	if matchPattern(pattern, path) {
		t.Error("matches")
	}
}

func TestPathsAllocateNothing(t *testing.T) {
	patterns := []string{"/v1/users/*", "/**/carddav/**"}
	if n := testing.AllocsPerRun(100, func() {
		if CheckPath("/dav/carddav/%C3%BC/contact.vcf") != nil || !MatchPath(patterns, "/dav/carddav/%C3%BC/contact.vcf") {
			panic("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// slowMatch states the rule by recursion over decoded segments.
func slowMatch(pattern, path []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case pattern[0] == "**":
		return slowMatch(pattern[1:], path) || len(path) > 0 && slowMatch(pattern, path[1:])
	case len(path) == 0:
		return false
	case pattern[0] == "*":
		return path[0] != "" && slowMatch(pattern[1:], path[1:])
	}
	want, err1 := url.PathUnescape(pattern[0])
	got, err2 := url.PathUnescape(path[0])
	return err1 == nil && err2 == nil && want == got && slowMatch(pattern[1:], path[1:])
}

// slowCheck states the rule of CheckPath by decoding whole segments.
func slowCheck(path string) bool {
	if !strings.HasPrefix(path, "/") || len(path) > 8<<10 {
		return false
	}
	const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~!$&'()*+,;=:@[]%"
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		again := strings.ToLower(decoded)
		if err != nil || strings.Trim(s, plain) != "" || strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(plain, r) }) >= 0 {
			return false
		}
		if s == "" && i < len(segments)-1 || !utf8.ValidString(decoded) || strings.ContainsAny(decoded, "/\\\x7f") {
			return false
		}
		if before, _, _ := strings.Cut(decoded, ";"); before == "." || before == ".." {
			return false
		}
		for _, r := range decoded {
			if r < 0x20 || 0x7f <= r && r < 0xa0 {
				return false
			}
		}
		if !strings.Contains(s, "%25") {
			continue
		}
		for c := range 256 {
			if c < 0x20 || strings.ContainsRune("./\\%\x7f", rune(c)) {
				hex := "0123456789abcdef"
				if strings.Contains(again, "%"+string(hex[c>>4])+string(hex[c&15])) {
					return false
				}
			}
		}
	}
	return true
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"/", "/a/..;/b", "/%2e%2e", "/%C3%BC/x", "/100%25", "/%252f", "/a//b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		err := CheckPath(path)
		if slow := slowCheck(path); (err == nil) != slow {
			t.Fatalf("CheckPath(%q) = %v; the slow rule says %v", path, err, slow)
		}
		if err == nil && !MatchPath([]string{"/**"}, path) {
			t.Fatalf("/** does not cover %q", path)
		}
	})
}

func FuzzMatchPath(f *testing.F) {
	f.Add("/**/a/*", "/b/a/c")
	f.Add("/v1/**", "/v1")
	f.Add("/%61/**/b", "/a/b/b")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if len(pattern)+len(path) > 64 {
			return // the slow matcher is exponential
		}
		got := MatchPath([]string{pattern}, path)
		if checkPattern(pattern) != nil || CheckPath(path) != nil {
			return
		}
		want := slowMatch(strings.Split(pattern[1:], "/"), strings.Split(path[1:], "/"))
		if got != want {
			t.Fatalf("MatchPath(%q, %q) = %v; the slow rule says %v", pattern, path, got, want)
		}
	})
}

func BenchmarkMatchPath(b *testing.B) {
	patterns := []string{"/v1/users/*", "/api/*/items/**", "/dav/**/carddav/*"}
	b.ReportAllocs()
	for b.Loop() {
		if !MatchPath(patterns, "/dav/addressbooks/user/carddav/contact.vcf") {
			b.Fatal("no match")
		}
	}
}

func BenchmarkCheckPath(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if CheckPath("/dav/addressbooks/user/carddav/contact%20one.vcf") != nil {
			b.Fatal("refused")
		}
	}
}
