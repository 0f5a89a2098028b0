package manifests

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestBind(t *testing.T) {
	m := parse(t, read(t, "contacts.json"))
	for value, want := range map[string]string{
		"https://contacts.icloud.com":                        "https://contacts.icloud.com",
		"HTTPS://DAV.Example:443/":                           "https://dav.example",
		"https://cloud.example/remote.php/dav/addressbooks/": "https://cloud.example",
		"http://localhost:5232":                              "http://localhost:5232",
		"https://[::1]:8443/":                                "https://[::1]:8443",
	} {
		b := bind(t, m, map[string]any{"base_url": value})
		c, _ := b.Credential("APP_PASSWORD")
		if c.SendTo[0].Origin != want || b.Egress[0].Origin != want || b.Options["base_url"] != value {
			t.Errorf("%q binds to %q and %q", value, c.SendTo[0].Origin, b.Egress[0].Origin)
		}
	}
	if m.Credentials[1].SendTo[0].Origin != "${options.base_url}" || m.Egress[0].Origin != "${options.base_url}" {
		t.Error("Bind changed the manifest")
	}
	if b := bind(t, m, nil); b.Egress[0].Origin != "https://contacts.icloud.com" {
		t.Errorf("the default is not put in: %q", b.Egress[0].Origin)
	}
}

func TestBindRefusesTricks(t *testing.T) {
	m := parse(t, read(t, "contacts.json"))
	for _, value := range []any{
		"", "contacts.icloud.com", "//contacts.icloud.com", "https://", "imaps://contacts.icloud.com", "javascript://x", "https://*.icloud.com",
		"https://user@contacts.icloud.com", "https://contacts.icloud.com@evil.example", "https://contacts.icloud.com\\@evil.example",
		"https://contacts.icloud.com/?x", "https://contacts.icloud.com/#x", "https://contacts.icloud.com/../x", "https://a.example/%2f",
		"https://contacts.icloud.com:0", "https://127.1", "https://${options.base_url}", "https://a.example https://b.example", 1, true, nil,
	} {
		if b, err := m.Bind(map[string]any{"base_url": value}); err == nil {
			t.Errorf("%q binds to %q", value, b.Egress[0].Origin)
		} else if f := faultsOf(t, err); f[0].Pointer != "/base_url" {
			t.Errorf("%q: %v", value, err)
		}
	}
	all, _ := everything(t)
	for name, values := range map[string][]string{
		"shop":      {"a.b", "evil.example/", "a@b", "a:1", "a/b", "*", "a#", "a?", "a%2e", "a。b", "a․b", "", "-"},
		"mail_host": {"m.example:993", "u@m.example", "m.example/x", "https://m.example", "*.example", "[::1]", "m.example.", "0x7f.1", "", "..", "m example"},
	} {
		for _, value := range values {
			options := map[string]any{"shop": "s", "mail_host": "m.example", name: value}
			if b, err := all.Bind(options); err == nil {
				t.Errorf("%s %q binds to %v", name, value, b.Egress)
			}
		}
	}
	b := bind(t, all, map[string]any{"shop": "a-b", "mail_host": "M.Example"})
	if b.Egress[3].Origin != "https://a-b.myshopify.com" || b.Egress[4].Origin != "imaps://m.example" || b.Egress[5].Origin != "smtp://m.example" {
		t.Errorf("bound to %v", b.Egress)
	}
}

// A template binds the pattern's own value past the option's pattern too.
func TestTemplateBind(t *testing.T) {
	label, err := parseTemplate("https://${options.x}.a.example:8443")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"a.b", "a。b", "a․b", "a．b", "x@y", "x:1", "", "*"} {
		if o, err := label.bind(map[string]any{"x": value}); err == nil {
			t.Errorf("%q becomes %v", value, o)
		}
	}
	if o, err := label.bind(map[string]any{"x": "Bücher"}); err != nil || o.String() != "https://xn--bcher-kva.a.example:8443" {
		t.Errorf("bücher becomes %v, %v", o, err)
	}
	plain, err := parseTemplate("https://${options.x}")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"a.example:8443", "a.example:443", "a.example/", "u@a.example", "*.example", "[::1]", "a.example?", ""} {
		if o, err := plain.bind(map[string]any{"x": value}); err == nil {
			t.Errorf("%q becomes %v", value, o)
		}
	}
	for _, value := range []string{"https://a.example?x", "https://a.example/?x", "https://a.example#x"} {
		if _, err := bindWhole(value); err == nil || !strings.Contains(err.Error(), "query") {
			t.Errorf("%q: %v", value, err)
		}
	}
	host, err := parseTemplate("HTTPS://${options.x}:443")
	if err != nil || host.text != "https://${options.x}" {
		t.Fatalf("%+v, %v", host, err)
	}
	if o, err := host.bind(map[string]any{"x": "10.0.0.1"}); err != nil || o.String() != "https://10.0.0.1" {
		t.Errorf("an address becomes %v, %v", o, err)
	}
}

// TestPortOptions: a port is a number from 1 to 65535, and beside it a host
// stays a host, whatever the owner is talked into.
func TestPortOptions(t *testing.T) {
	mail, err := parseTemplate("IMAPS://${options.host}:${options.port}")
	if err != nil || mail.text != "imaps://${options.host}:${options.port}" {
		t.Fatalf("%+v, %v", mail, err)
	}
	for _, c := range []struct {
		host, port any
		want       string // "" is refused
	}{
		{"m.example", int64(993), "imaps://m.example"}, {"m.example", int64(1993), "imaps://m.example:1993"}, {"M.Example", int64(65535), "imaps://m.example:65535"},
		{"bücher.example", int64(993), "imaps://xn--bcher-kva.example"}, {"m\u2044x.example", int64(993), "imaps://xn--mx-c6t.example"}, {"10.0.0.1", int64(143), "imaps://10.0.0.1:143"},
		{"m.example", int64(0), ""}, {"m.example", int64(-1), ""}, {"m.example", int64(65536), ""}, {"m.example", int64(1<<32 + 993), ""},
		{"m.example", 993.5, ""}, {"m.example", "993", ""}, {"m.example", "993/x", ""}, {"m.example", nil, ""},
		{"u:p@m.example", int64(993), ""}, {"u@m.example", int64(993), ""}, {"m.example/x", int64(993), ""}, {"m.example#", int64(993), ""}, {"m.example?", int64(993), ""},
		{"smtps://m.example", int64(993), ""}, {"m.example:25", int64(993), ""}, {"[::1]", int64(993), ""}, {"::1", int64(993), ""},
		{"m .example", int64(993), ""}, {" m.example", int64(993), ""}, {"m.example\t", int64(993), ""}, {"m.example\r\nx", int64(993), ""}, {"", int64(993), ""},
		{"*.example", int64(993), ""}, {"m.example.", int64(993), ""}, {"2130706433", int64(993), ""}, {"0x7f.1", int64(993), ""}, {"m。.example", int64(993), ""},
		{"xn--\u00e9", int64(993), ""}, {"\u202em.example", int64(993), ""}, {"${options.port}", int64(993), ""}, {1, int64(993), ""},
	} {
		o, err := mail.bind(map[string]any{"host": c.host, "port": c.port})
		if got := ""; err == nil {
			if got = o.String(); got != c.want || o.Scheme != "imaps" {
				t.Errorf("%q, %v becomes %q, want %q", c.host, c.port, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%q, %v: %v", c.host, c.port, err)
		}
	}
	for text, want := range map[string]string{
		"tls://irc.example:${options.port}": "tls://irc.example:7000", "smtp://${options.x}.a.example:${options.port}": "smtp://m.a.example:7000",
		"https://[::1]:${options.port}": "https://[::1]:7000",
	} {
		one, err := parseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := one.bind(map[string]any{"port": int64(7000), "x": "m"}); err != nil || o.String() != want {
			t.Errorf("%s becomes %v, %v", text, o, err)
		}
	}
	for _, text := range []string{
		"${options.base}:${options.port}", "imaps://h:${options.port}0", "imaps://h:1${options.port}", "imaps://h:1:${options.port}", "imaps://*.a.example:${options.port}", "imaps://h:${options.port}/",
		"imaps://:${options.port}", "imaps://u@h:${options.port}", "imaps://${options.a}.${options.b}:${options.port}", "h:${options.port}", "ftp://h:${options.port}", ":${options.port}",
		"imaps://h:${options.port}:${options.port}", "imaps://a.${options.x}:${options.port}", "imaps://h:${options.}", "imaps://h:${options.port",
	} {
		if one, err := parseTemplate(text); err == nil {
			t.Errorf("%s is %+v", text, one)
		}
	}
}

// TestPortOptionFaults: the fault is the port's where it is.
func TestPortOptionFaults(t *testing.T) {
	port := edits{"/egress/0/origin": `"https://${options.host}:${options.port}"`, "/credentials_schema/properties/APP_PASSWORD/send_to/0/origin": `"https://${options.host}:${options.port}"`}
	declared := func(port string) string {
		return `{"type": "object", "properties": {"host": {"type": "string"}, "port": ` + port + `, "base_url": {"type": "string"}}, "required": ["host"]}`
	}
	for schema, want := range map[string]string{
		`{"type": "string", "default": "993"}`: "not a whole number", `{"type": "number", "default": 993}`: "not a whole number", `{"type": "integer"}`: "may be left out",
	} {
		port["/options_schema"] = declared(schema)
		_, err := Parse(edit(t, "contacts.json", port))
		wantFaults(t, err, "/credentials_schema/properties/APP_PASSWORD/send_to/0/origin ~ "+want, "/egress/0/origin ~ "+want)
	}
	port["/options_schema"] = declared(`{"type": "integer", "default": 993}`)
	m := parse(t, edit(t, "contacts.json", port))
	if b := bind(t, m, map[string]any{"host": "m.example"}); b.Egress[0].Origin != "https://m.example:993" {
		t.Errorf("bound to %v", b.Egress)
	}
	for _, c := range []struct {
		host, at string
		port     int
	}{{"m.example", "/port", 0}, {"m.example", "/port", 70_000}, {"u@m.example", "/host", 993}} {
		_, err := m.Bind(map[string]any{"host": c.host, "port": c.port})
		if err == nil || !strings.Contains(err.Error(), c.at) || strings.Contains(err.Error(), "u@m") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestBindCoverage(t *testing.T) {
	raw := edit(t, "contacts.json", edits{"/egress/0/origin": `"https://contacts.icloud.com"`})
	m := parse(t, raw)
	bind(t, m, nil)
	wantFaults(t, second(m.Bind(map[string]any{"base_url": "https://elsewhere.example"})), " ~ no egress rule covers")
}

func TestOptions(t *testing.T) {
	m, b := everything(t)
	want := map[string]any{"shop": "my-shop", "mail_host": "mail.example", "days": int64(30), "ratio": 0.5, "archive": false, "region": "eu"}
	if !reflect.DeepEqual(b.Options, want) {
		t.Errorf("options %#v", b.Options)
	}
	text, err := json.Marshal(b.Options)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if again := bind(t, m, back); !reflect.DeepEqual(again.Options, want) {
		t.Errorf("options change on the way through JSON: %#v", again.Options)
	}
	for name, c := range map[string]struct {
		change map[string]any
		want   []string
	}{
		"missing":       {map[string]any{"shop": nil}, []string{"/shop ~ not a text"}},
		"unknown":       {map[string]any{"shops": "x"}, []string{"/shops ~ not an option"}},
		"out of bounds": {map[string]any{"days": 0, "ratio": math.NaN()}, []string{"/ratio ~ not a number"}},
		"too low":       {map[string]any{"days": 0}, []string{"/days ~ at least 1"}},
		"a fraction":    {map[string]any{"days": 1.5}, []string{"/days ~ whole number"}},
		"infinite":      {map[string]any{"ratio": json.Number("1e999")}, []string{"/ratio ~ not a number"}},
		"not listed":    {map[string]any{"region": "jp"}, []string{"/region ~ listed"}},
		"no match":      {map[string]any{"shop": "A"}, []string{"/shop ~ pattern"}},
		"no host name":  {map[string]any{"mail_host": "a b"}, []string{"/mail_host ~ valid hostname"}},
		"text as bool":  {map[string]any{"archive": "true"}, []string{"/archive ~ not true or false"}},
		"an object":     {map[string]any{"shop": map[string]any{}}, []string{"/shop ~ not a text"}},
	} {
		values := map[string]any{"shop": "my-shop", "mail_host": "mail.example"}
		for k, v := range c.change {
			values[k] = v
		}
		t.Run(name, func(t *testing.T) {
			wantFaults(t, m.Options.Validate(values), c.want...)
			wantFaults(t, second(m.Bind(values)), c.want...)
		})
	}
	wantFaults(t, m.Options.Validate(nil), "/mail_host ~ missing", "/shop ~ missing")
	if !strings.Contains(m.Options.Validate(map[string]any{"shops": "x"}).Error(), `did you mean "shop"?`) {
		t.Error("nothing is suggested for shops")
	}
}

func TestOptionsLookups(t *testing.T) {
	m, _ := everything(t)
	days, ok := m.Options.Lookup("days")
	if !ok || days.Title != "Days back" || days.Type != "integer" || days.Default != int64(30) || days.Required {
		t.Errorf("days is %+v", days)
	}
	if list := m.Options.List(); len(list) != 6 || list[0].Name != "archive" || m.Options.Titles["region"] != "region" {
		t.Errorf("options %+v", list)
	}
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"days", "7", int64(7)}, {"ratio", "1e-1", 0.1}, {"archive", "true", true}, {"shop", "7", "7"},
		{"days", "x", nil}, {"days", "1.5", nil}, {"days", "0x7", nil}, {"archive", "yes", nil}, {"nothing", "1", nil}, {"ratio", "Inf", nil},
	} {
		if got, err := m.Options.ParseText(c.name, c.text); got != c.want || (err == nil) != (c.want != nil) {
			t.Errorf("ParseText(%q, %q) = %v, %v", c.name, c.text, got, err)
		}
	}
	var none *Options
	if len(none.List()) != 0 || len(none.Defaults()) != 0 || none.Validate(nil) != nil {
		t.Error("no options are not none")
	}
	wantFaults(t, none.Validate(map[string]any{"x": 1}), "/x ~ not an option")
	if v, err := none.ParseText("x", "1"); err == nil {
		t.Errorf("an option that is not there is %v", v)
	}
}

func TestNormalOption(t *testing.T) {
	for _, v := range []any{json.Number("9007199254740993"), int64(1) << 53, -float64(1 << 53), math.Inf(1), "1", true, nil, json.Number("x")} {
		if got, err := normalOption(v, "integer"); err == nil {
			t.Errorf("%v becomes %v", v, got)
		}
	}
	for _, v := range []any{json.Number("9007199254740991"), int64(1)<<53 - 1, float64(1<<53 - 1), 1<<53 - 1} {
		if got, err := normalOption(v, "integer"); err != nil || got != int64(1)<<53-1 {
			t.Errorf("%v becomes %v, %v", v, got, err)
		}
	}
}

func TestHostCalls(t *testing.T) {
	_, b := everything(t)
	calls := b.HostCalls()
	if len(calls) != 3 || calls[0].Origin != "https://api.everything.example" || calls[0].Path != "/v1/user" || calls[1].Method != "POST" || calls[2].Method != "" {
		t.Errorf("host calls %+v", calls)
	}
}
