package manifests

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func origin(t testing.TB, s string) Origin {
	t.Helper()
	o, err := ParseOrigin(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestMatchOrigin(t *testing.T) {
	for _, c := range []struct {
		rule, origin string
		want         bool
	}{
		{"https://a.example", "https://a.example", true},
		{"HTTPS://A.example:443/", "https://a.example", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://b.a.example", false},
		{"https://a.example", "https://a.example.evil.test", false},
		{"https://*.a.example", "https://b.a.example", true},
		{"https://*.a.example", "https://a.example", false},
		{"https://*.a.example", "https://c.b.a.example", false},
		{"https://*.a.example", "https://evila.example", false},
		{"https://*.a.example", "https://b.a.example:8443", false},
		{"https://*.a.example:8443", "https://b.a.example:8443", true},
		{"https://*.1", "https://127.0.0.1", false},
		{"https://*.0.0.1", "https://127.0.0.1", false},
		{"https://[::1]", "https://[0:0::1]", true},
		{"https://${options.x}", "https://a.example", false},
		{"https://*", "https://example", false},
		{"*", "https://a.example", false},
		{"", "https://a.example", false},
	} {
		if got := MatchOrigin(c.rule, origin(t, c.origin)); got != c.want {
			t.Errorf("MatchOrigin(%q, %q) = %v", c.rule, c.origin, got)
		}
	}
}

func TestMatchMethod(t *testing.T) {
	for _, c := range []struct {
		methods []string
		method  string
		want    bool
	}{
		{nil, "GET", true}, {nil, "HEAD", true}, {nil, "POST", false}, {nil, "", false}, {nil, "get", false},
		{[]string{"POST"}, "POST", true}, {[]string{"POST"}, "GET", false}, {[]string{"GET", "REPORT"}, "REPORT", true},
	} {
		if got := MatchMethod(c.methods, c.method); got != c.want {
			t.Errorf("MatchMethod(%v, %q) = %v", c.methods, c.method, got)
		}
	}
}

func TestTargetOf(t *testing.T) {
	for _, c := range []struct{ method, url, origin, path string }{
		{"GET", "https://A.example", "https://a.example", "/"},
		{"GET", "https://a.example?q=1", "https://a.example", "/"},
		{"PROPFIND", "http://a.example:80/x%20y/%c3%bc#frag", "http://a.example", "/x%20y/%c3%bc"},
		{"GET", "https://a.example/(x)", "https://a.example", "/(x)"},
		{"", "imaps://m.example", "imaps://m.example", ""},
		{"", "tls://m.example:99", "tls://m.example:99", ""},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := TargetOf(c.method, u)
		if err != nil || got.Origin.String() != c.origin || got.Path != c.path || got.Method != c.method {
			t.Errorf("TargetOf(%q, %q) = %v, %v", c.method, c.url, got, err)
		}
	}
}

func TestTargetOfRefuses(t *testing.T) {
	for _, c := range []struct {
		method string
		u      *url.URL
		want   error
	}{
		{"GET", nil, ErrTarget},
		{"GET", &url.URL{}, ErrOrigin},
		{"GET", &url.URL{Scheme: "https", Opaque: "//a.example/x"}, ErrTarget},
		{"GET", &url.URL{Scheme: "https", Host: "a.example", User: url.User("u")}, ErrOrigin},
		{"GET", &url.URL{Scheme: "ftp", Host: "a.example"}, ErrOrigin},
		{"GET", &url.URL{Scheme: "https", Host: "a.example/x"}, ErrOrigin},
		{"GET", &url.URL{Scheme: "https", Host: "u@a.example"}, ErrOrigin},
		{"GET", &url.URL{Scheme: "https", Host: "*.a.example"}, ErrOrigin},
		{"GET", &url.URL{Scheme: "https", Host: ":80"}, ErrOrigin},
		{"GET", &url.URL{Scheme: "https", Host: "a.example", Path: "x"}, ErrPath},
		{"GET", &url.URL{Scheme: "https", Host: "a.example", Path: "/../x"}, ErrPath},
		{"GET", &url.URL{Scheme: "https", Host: "a.example", Path: "/a/b", RawPath: "/a%2fb"}, ErrPath},
		{"GET", &url.URL{Scheme: "https", Host: "a.example", Path: "/a\r\nb"}, ErrPath},
		{"", &url.URL{Scheme: "https", Host: "a.example"}, ErrTarget},
		{"get", &url.URL{Scheme: "https", Host: "a.example"}, ErrTarget},
		{"G T", &url.URL{Scheme: "https", Host: "a.example"}, ErrTarget},
		{"CONNECT", &url.URL{Scheme: "https", Host: "a.example"}, ErrTarget},
		{"TRACE", &url.URL{Scheme: "https", Host: "a.example"}, ErrTarget},
		{strings.Repeat("A", 33), &url.URL{Scheme: "https", Host: "a.example"}, ErrTarget},
		{"GET", &url.URL{Scheme: "imaps", Host: "m.example"}, ErrTarget},
		{"", &url.URL{Scheme: "imaps", Host: "m.example", Path: "/"}, ErrTarget},
		{"", &url.URL{Scheme: "imaps", Host: "m.example", RawQuery: "x"}, ErrTarget},
	} {
		if got, err := TargetOf(c.method, c.u); !errors.Is(err, c.want) || got != (Target{}) {
			t.Errorf("TargetOf(%q, %v) = %v, %v; want %v", c.method, c.u, got, err, c.want)
		}
	}
}

func TestAllows(t *testing.T) {
	d := Destination{Origin: "https://a.example", Methods: []string{"GET"}, Paths: []string{"/v1/**"}, As: Position{Kind: AsHeader, Param: "Authorization"}}
	good := Target{Origin: origin(t, "https://a.example"), Method: "GET", Path: "/v1/x"}
	if !d.Allows(good, d.As) {
		t.Fatal("refuses what it declares")
	}
	change := func(f func(*Target)) Target { c := good; f(&c); return c }
	for name, c := range map[string]struct {
		d Destination
		t Target
		p Position
	}{
		"origin":   {d, change(func(t *Target) { t.Origin.Host = "b.example" }), d.As},
		"scheme":   {d, change(func(t *Target) { t.Origin.Scheme = "http" }), d.As},
		"method":   {d, change(func(t *Target) { t.Method = "POST" }), d.As},
		"path":     {d, change(func(t *Target) { t.Path = "/v2/x" }), d.As},
		"header":   {d, good, Position{Kind: AsHeader, Param: "X-Other"}},
		"position": {d, good, Position{Kind: AsBasic}},
		"no paths": {Destination{Origin: d.Origin, As: d.As}, good, d.As},
		"no rule":  {Destination{}, good, Position{}},
	} {
		if c.d.Allows(c.t, c.p) {
			t.Errorf("%s: allowed", name)
		}
	}
	mail := Destination{Origin: "imaps://m.example", As: Position{Kind: AsIMAP}}
	if !mail.Allows(Target{Origin: origin(t, "imaps://m.example")}, Position{Kind: AsIMAP}) {
		t.Error("refuses a login by IMAP")
	}
	odd := Destination{Origin: "https://m.example", Paths: []string{"/**"}, As: Position{Kind: AsIMAP}}
	if odd.Allows(Target{Origin: origin(t, "https://m.example"), Method: "GET", Path: "/"}, Position{Kind: AsIMAP}) {
		t.Error("allows a position that HTTP does not have")
	}
}

func TestAllowEgress(t *testing.T) {
	rules := []EgressRule{
		{Origin: "https://a.example", Paths: []string{"/**"}},
		{Origin: "https://a.example", Paths: []string{"/admin/**"}, Deny: true},
		{Origin: "https://a.example", Methods: []string{"POST"}, Paths: []string{"/search"}},
		{Origin: "https://*.b.example", Methods: []string{"GET"}, Paths: []string{"/x"}},
		{Origin: "https://no.b.example", Paths: []string{"/**"}, Deny: true},
		{Origin: "https://a.example", Methods: []string{"GET"}, Paths: []string{"/half"}, Deny: true},
		{Origin: "imaps://m.example"},
	}
	for _, c := range []struct {
		method, url string
		ok          bool
		why         string
	}{
		{"GET", "https://a.example/x", true, "https://a.example"},
		{"GET", "https://a.example/admin/x", false, "the egress rule for https://a.example denies it"},
		{"GET", "https://a.example/%61dmin/x", false, "the egress rule for https://a.example denies it"},
		{"POST", "https://a.example/admin", false, "the egress rule for https://a.example denies it"},
		{"GET", "https://a.example/half", false, "the egress rule for https://a.example denies it"},
		{"HEAD", "https://a.example/half", true, "https://a.example"},
		{"POST", "https://a.example/search", true, "https://a.example"},
		{"POST", "https://a.example/other", false, "no egress rule for https://a.example with POST covers the path: add it to the rule's paths"},
		{"PUT", "https://a.example/x", false, "no egress rule for https://a.example allows PUT: add it to the rule's methods"},
		{"GET", "https://c.b.example/x", true, "https://*.b.example"},
		{"GET", "https://no.b.example/x", false, "the egress rule for https://no.b.example denies it"},
		{"GET", "https://b.example/x", false, "no egress rule covers https://b.example: add one to egress"},
		{"", "imaps://m.example", true, "imaps://m.example"},
		{"", "imap://m.example", false, "no egress rule covers imap://m.example: add one to egress"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		target, err := TargetOf(c.method, u)
		if err != nil {
			t.Fatal(err)
		}
		if ok, why := AllowEgress(rules, target); ok != c.ok || why != c.why {
			t.Errorf("AllowEgress(%s %s) = %v, %q", c.method, c.url, ok, why)
		}
	}
	broken := append(rules, EgressRule{Origin: "https://${options.x}", Paths: []string{"/**"}, Deny: true})
	if ok, _ := AllowEgress(broken, Target{Origin: origin(t, "https://a.example"), Method: "GET", Path: "/x"}); ok {
		t.Error("a rule to deny that cannot be read is passed over")
	}
	if ok, _ := AllowEgress(nil, Target{Origin: origin(t, "https://a.example"), Method: "GET", Path: "/x"}); ok {
		t.Error("no rules allow")
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	d := Destination{Origin: "https://*.a.example", Methods: []string{"GET"}, Paths: []string{"/v1/**"}, As: Position{Kind: AsBasic}}
	rules := []EgressRule{{Origin: "https://z.example", Paths: []string{"/**"}}, {Origin: d.Origin, Methods: d.Methods, Paths: d.Paths}}
	target := Target{Origin: origin(t, "https://b.a.example"), Method: "GET", Path: "/v1/x"}
	if n := testing.AllocsPerRun(100, func() {
		if ok, _ := AllowEgress(rules, target); !ok || !d.Allows(target, d.As) {
			panic("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParsePosition(t *testing.T) {
	for in, want := range map[string]Position{
		"header:authorization": {AsHeader, "Authorization"},
		"header:X-API-key":     {AsHeader, "X-Api-Key"},
		"basic":                {AsBasic, ""},
		"cookie":               {AsCookie, ""},
		"query:key":            {AsQuery, "key"},
		"query:a:b":            {AsQuery, "a:b"},
		"path":                 {AsPath, ""},
		"form:pass word":       {AsForm, "pass word"},
		"json:/a/b~1c":         {AsJSON, "/a/b~1c"},
		"url":                  {AsURL, ""},
		"imap":                 {AsIMAP, ""},
		"smtp":                 {AsSMTP, ""},
		"browser":              {AsBrowser, ""},
	} {
		got, err := ParsePosition(in)
		if err != nil || got != want {
			t.Errorf("ParsePosition(%q) = %v, %v", in, got, err)
		}
		if again, err := ParsePosition(got.String()); err != nil || again != got {
			t.Errorf("%q reads back as %v, %v", got, again, err)
		}
	}
	for _, in := range []string{
		"", "Basic", "bearer", "header", "header:", "header:a b", "header:a:b", "header:X\r\nY", "basic:", "basic:user", "cookie:sid", "query:", "form:",
		"form:a\nb", "query:\u202e", "json:", "json:a", "json:/a~2", "path:/x", "query:" + strings.Repeat("a", 257),
		"header:Host", "header:content-length", "header:Transfer-Encoding", "header:connection", "header:Upgrade", "header:TE", "header:Trailer",
		"header:Proxy-Authorization", "header:Cookie", "header:Accept-Encoding", "header:Range", "header:Expect",
	} {
		if p, err := ParsePosition(in); !errors.Is(err, ErrPosition) {
			t.Errorf("ParsePosition(%q) = %v, %v", in, p, err)
		}
	}
}

func FuzzTargetOf(f *testing.F) {
	f.Add("GET", "https://a.example/x")
	f.Add("GET", "http://[::1]:80/%61?q#f")
	f.Add("", "imaps://m.example")
	f.Fuzz(func(t *testing.T, method, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		target, err := TargetOf(method, u)
		if err != nil {
			if target != (Target{}) {
				t.Fatalf("an error with a target %v", target)
			}
			return
		}
		if !target.Origin.HTTP() {
			return
		}
		if CheckPath(target.Path) != nil {
			t.Fatalf("%q: path %q", raw, target.Path)
		}
		wire, _, _ := strings.Cut(u.RequestURI(), "?")
		if wire != target.Path {
			t.Fatalf("%q: %q is sent, %q was checked", raw, wire, target.Path)
		}
	})
}
