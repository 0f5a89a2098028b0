package surrogate

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/manifests"
)

const secret = `canary "pass\word&x=1;/?#%`

// places returns what resolve was asked, and answers with values.
func placesOf(values map[string]string, asked *[]string) Resolve {
	return func(token string, at manifests.Position, target manifests.Target) ([]byte, error) {
		*asked = append(*asked, at.String()+" "+target.Method+" "+target.Origin.String()+target.Path)
		return []byte(values[token]), nil
	}
}

func TestAddressesAreFilled(t *testing.T) {
	values := map[string]string{tokenA: secret, tokenB: "two words"}
	for _, test := range []struct{ url, want, asked string }{
		{"https://api.example/v1?key=" + tokenA + "&n=%20x&flag", "https://api.example/v1?key=" + url.QueryEscape(secret) + "&n=%20x&flag", "query:key GET https://api.example/v1"},
		{"https://api.example/v1?k%65y=" + tokenA, "https://api.example/v1?k%65y=" + url.QueryEscape(secret), "query:key GET https://api.example/v1"},
		{"https://api.example/bot" + tokenB + "/me", "https://api.example/bottwo%20words/me", "path GET https://api.example/bot" + tokenB + "/me"},
		{"https://api.example/x?a=" + tokenA + tokenB, "https://api.example/x?a=" + url.QueryEscape(secret) + "two+words", "query:a GET https://api.example/x|query:a GET https://api.example/x"},
	} {
		var asked []string
		d, err := Locate(Request{Method: "GET", URL: test.url}, live)
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		out, err := d.Fill(placesOf(values, &asked))
		if err != nil || out.URL.String() != test.want || strings.Join(asked, "|") != test.asked || !out.Secret {
			t.Errorf("%s\n gives %v, %v\n want %s\n asked %q", test.url, out, err, test.want, asked)
		}
	}
}

func TestWholeURL(t *testing.T) {
	for _, address := range []string{tokenA, "https://" + tokenA, "https://" + tokenA + "/", "http://" + tokenA} {
		d, err := Locate(Request{Method: "GET", URL: address}, live)
		if err != nil || d.Whole != tokenA {
			t.Fatalf("%s: %+v, %v", address, d, err)
		}
		if _, err := d.Fill(placesOf(nil, new([]string))); err == nil {
			t.Error("filled before it was opened")
		}
		feed := "https://calendar.example/private-9f/basic.ics?x=1"
		if err := d.Open(func(string) ([]byte, error) { return []byte(feed), nil }); err != nil {
			t.Fatal(err)
		}
		var asked []string
		out, err := d.Fill(placesOf(map[string]string{tokenA: feed}, &asked))
		if err != nil || out.URL.String() != feed || len(asked) != 1 || asked[0] != "url GET https://calendar.example/private-9f/basic.ics" {
			t.Errorf("%v, %v, asked %q", out, err, asked)
		}
		if _, err := d.Fill(placesOf(map[string]string{tokenA: feed + "2"}, &asked)); !errors.Is(err, ErrChanged) {
			t.Errorf("another value: %v", err)
		}
	}
	d, _ := Locate(Request{Method: "GET", URL: tokenA}, live)
	for _, value := range []string{"", "ftp://x/y", "https://u:p@x/", "https://x/#f", "no address", "https://x/a/../b"} {
		if err := d.Open(func(string) ([]byte, error) { return []byte(value), nil }); err == nil {
			t.Errorf("%q was opened", value)
		} else if value != "" && strings.Contains(err.Error(), value) {
			t.Errorf("the error quotes the value: %v", err)
		}
	}
}

func TestMisplacedInTheHead(t *testing.T) {
	for where, r := range map[string]Request{
		"the fragment":         {Method: "GET", URL: "https://a.example/#" + tokenA},
		"the host name":        {Method: "GET", URL: "https://" + tokenA + ".example/"},
		"the user information": {Method: "GET", URL: "https://" + tokenA + "@a.example/"},
		"a query key":          {Method: "GET", URL: "https://a.example/?" + tokenA + "=1"},
		"the method":           {Method: tokenA, URL: "https://a.example/"},
		"a header's name":      {Method: "GET", URL: "https://a.example/", Headers: [][2]string{{tokenA, "x"}}},
		"the path, written":    {Method: "GET", URL: "https://a.example/%73p1" + tokenA[3:]},
		"the query, written":   {Method: "GET", URL: "https://a.example/?k=%73p1" + tokenA[3:]},
	} {
		d, err := Locate(r, live)
		if err == nil {
			_, err = d.Fill(func(string, manifests.Position, manifests.Target) ([]byte, error) { return []byte("v"), nil })
		}
		var place *PlaceError
		if !errors.As(err, &place) || !strings.HasPrefix(place.Where, where) {
			t.Errorf("%s: %v", where, err)
		}
	}
}

func TestValuesThatCannotBeASegment(t *testing.T) {
	for _, value := range []string{".", "..", "a\nb", ""} {
		d, err := Locate(Request{Method: "GET", URL: "https://a.example/" + tokenA + "/x"}, live)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := d.Fill(func(string, manifests.Position, manifests.Target) ([]byte, error) { return []byte(value), nil }); !errors.Is(err, ErrBadValue) {
			t.Errorf("%q became %v, %v", value, out, err)
		}
	}
}

// pour sends a body through in pieces of n bytes.
func pour(contentType, body string, n int, resolve Resolve) (string, error) {
	b := NewBody(contentType, live, resolve, manifests.Target{Origin: manifests.Origin{Scheme: "https", Host: "a.example", Port: 443}, Method: "POST", Path: "/"})
	var out []byte
	var err error
	for len(body) > 0 {
		k := min(n, len(body))
		if out, err = b.Next(out, []byte(body[:k])); err != nil {
			return "", err
		}
		body = body[k:]
	}
	out, err = b.Rest(out)
	return string(out), err
}

func TestBodiesAreFilled(t *testing.T) {
	quoted, _ := json.Marshal(secret)
	inJSON := string(quoted[1 : len(quoted)-1])
	inJSON = strings.NewReplacer(`\u0026`, "&").Replace(inJSON)
	for _, test := range []struct{ kind, body, want, asked string }{
		{"application/x-www-form-urlencoded", "user=a%20b&pass=" + tokenA + "&x", "user=a%20b&pass=" + url.QueryEscape(secret) + "&x", "form:pass"},
		{"application/json; charset=utf-8", `{"a": [1, {"b/c": "x` + tokenA + `"}], "n": 1.50, "n": 2}`, `{"a": [1, {"b/c": "x` + inJSON + `"}], "n": 1.50, "n": 2}`, "json:/a/1/b~1c"},
		{"application/vnd.api+json", `{"t":"` + tokenA + `","u":"\"\\"}`, `{"t":"` + inJSON + `","u":"\"\\"}`, "json:/t"},
		{"text/plain", "nothing here sp1AAA", "nothing here sp1AAA", ""},
	} {
		for n := 1; n <= len(test.body); n++ {
			var asked []string
			got, err := pour(test.kind, test.body, n, func(token string, at manifests.Position, _ manifests.Target) ([]byte, error) {
				asked = append(asked, at.String())
				return []byte(secret), nil
			})
			if err != nil || got != test.want || strings.Join(asked, "|") != test.asked {
				t.Fatalf("%s in pieces of %d:\n got %q, %v\nwant %q\nasked %q", test.kind, n, got, err, test.want, asked)
			}
		}
	}
}

func TestMisplacedInTheBody(t *testing.T) {
	long := strings.Repeat("x", MaxHeldBytes)
	var many string
	for i := range maxMembers {
		many += `"` + strconv.Itoa(i) + `":1,`
	}
	for _, test := range []struct{ kind, body, where string }{
		{"text/plain", "a" + tokenA, "the body"},
		{"", tokenA, "the body"},
		{"multipart/form-data; boundary=b", "--b\r\n\r\n" + tokenA, "a multipart body"},
		{"application/x-www-form-urlencoded", tokenA + "=1", "a form key"},
		{"application/x-www-form-urlencoded", "a=" + long + tokenA, "a form field of more"},
		{"application/x-www-form-urlencoded", "a=%73p1" + tokenA[3:], "the form, written"},
		{"application/json", `{"` + tokenA + `": 1}`, "the name of a JSON member"},
		{"application/json", `{"a":"\u0073p1` + tokenA[3:] + `"}`, "a JSON string, written"},
		{"application/json", `{"a":"` + long + tokenA + `"}`, "a JSON string of more"},
		{"application/json", `"` + tokenA + `"`, "a place in a JSON body"},
		{"application/json", `{"a":` + tokenA + `}`, "a JSON body, outside"},
		{"application/json", `{"a":"` + tokenA, "a JSON string without an end"},
		{"application/json", `{"a":"x","a":"` + tokenA + `"}`, "a JSON member whose name"},
		{"application/json", `{"A":"x","\u0061":"` + tokenA + `"}`, "a JSON member whose name"},
		{"application/json", `{"a":{"b":1},"a":{"b":"` + tokenA + `"}}`, "a JSON member whose name"},
		{"application/json", `{"a":1,"` + long + `":"` + tokenA + `"}`, "a JSON member whose name"},
		{"application/json", `{` + many + `"a":"` + tokenA + `"}`, "a JSON member whose name"},
		{"application/json", strings.Repeat(`[`, 80) + `"` + tokenA + `"`, "a place in a JSON body"},
	} {
		for _, n := range []int{1, 7, 1 << 20} {
			got, err := pour(test.kind, test.body, n, func(string, manifests.Position, manifests.Target) ([]byte, error) { return []byte(secret), nil })
			var place *PlaceError
			if !errors.As(err, &place) || !strings.HasPrefix(place.Where, test.where) || strings.Contains(got, secret) {
				t.Errorf("%s in pieces of %d: %q, %v; want %q", test.kind, n, got, err, test.where)
			}
		}
	}
}

// TestAMemberAgain: what came to a value's place after it is refused too.
func TestAMemberAgain(t *testing.T) {
	for body, want := range map[string]error{
		`{"a":"` + tokenA + `","a":"x"}`:                    ErrRepeated,
		`{"a":{"b":["` + tokenA + `"]},"\u0041":{"b":[]}}`:  ErrRepeated,
		`{"a":{"b":"` + tokenA + `","c":1,"b":2}}`:          ErrRepeated,
		`{"a":[{"b":"` + tokenA + `"},{"b":"x"}],"c":1}`:    nil,
		`{"c":1,"a":{"b":"` + tokenA + `"},"c":2,"b":true}`: nil,
	} {
		for _, n := range []int{1, 7, 1 << 20} {
			if _, err := pour("application/json", body, n, func(string, manifests.Position, manifests.Target) ([]byte, error) { return []byte(secret), nil }); !errors.Is(err, want) {
				t.Errorf("%s in pieces of %d: %v, want %v", strings.ReplaceAll(body, tokenA, "TOKEN"), n, err, want)
			}
		}
	}
}

// TestAnotherMethodNamed: a body that many a source would read as a request of
// another method.
func TestAnotherMethodNamed(t *testing.T) {
	const form, asJSON, parts = "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=b"
	for _, test := range []struct {
		kind, body string
		want       error
	}{
		{form, "a=1&_method=PUT", ErrMethod}, {form, "%5F%6dethod=PUT", ErrMethod}, {form, "_METHOD", ErrMethod}, {form, "+_method=PUT", ErrMethod}, {form, ".method=PUT", ErrMethod},
		{form, "%5bmethod=PUT", ErrMethod}, {form, "_method%00x=PUT", ErrMethod}, {form, "a=1;_method=PUT", ErrMethod}, {form, "_method=" + strings.Repeat("x", MaxHeldBytes), ErrMethod},
		{form, "a_method=1&method=2&b=_method", nil},
		{asJSON, `{"a":{},"_method":"PUT"}`, ErrMethod}, {asJSON, `{"a":{"_method":"PUT"},"b":"_method"}`, nil}, {asJSON, `["_method"]`, nil},
		{parts, "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nPUT", ErrMethod}, {parts, "--b\r\nContent-Disposition: form-data; NAME=_method\r\n\r\nPUT", ErrMethod},
		{parts, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nthe _method", nil},
		{"text/plain", "_method=PUT", nil},
	} {
		for _, n := range []int{1, 7, 1 << 20} {
			if got, err := pour(test.kind, test.body, n, nil); !errors.Is(err, test.want) || err == nil && got != test.body {
				t.Errorf("%s %q in pieces of %d: %q, %v", test.kind, test.body[:min(40, len(test.body))], n, got, err)
			}
		}
	}
	for _, query := range []string{"_method=PUT", "a=1&%5Fmethod=PUT", "a=1;_method=PUT"} {
		d, err := Locate(Request{Method: "POST", URL: "https://a.example/?" + query}, live)
		if err == nil {
			_, err = d.Fill(nil)
		}
		if !errors.Is(err, ErrMethod) {
			t.Errorf("%s: %v", query, err)
		}
	}
	for _, name := range []string{"X-HTTP-Method-Override", "x-http-method", "X_METHOD_OVERRIDE"} {
		if !NamesMethod(name) {
			t.Errorf("%s names no method", name)
		}
	}
}

// FuzzBody: chunking changes nothing, no live surrogate is left, a value goes
// nowhere but where resolve was asked, and JSON stays JSON of the same shape.
func FuzzBody(f *testing.F) {
	f.Add(true, `{"a":["`+tokenA+`"]}`, secret, 3)
	f.Add(false, "a="+tokenA+"&b=c", secret, 1)
	f.Add(true, `{"a\u0062":{"c":"`+tokenA+tokenB+`"}}`, "\"},{\"", 5)
	f.Fuzz(func(t *testing.T, asJSON bool, body, value string, n int) {
		if n < 1 || len(body) > 1<<16 || value == "" || len(value) > 1<<10 || strings.Contains(value, "sp1") {
			return
		}
		kind := "application/x-www-form-urlencoded"
		if asJSON {
			kind = "application/json"
		}
		resolve := func(string, manifests.Position, manifests.Target) ([]byte, error) { return []byte(value), nil }
		whole, err := pour(kind, body, len(body)+1, resolve)
		pieces, err2 := pour(kind, body, n, resolve)
		if (err == nil) != (err2 == nil) || err == nil && whole != pieces {
			t.Fatalf("in pieces of %d: %q, %v; whole: %q, %v", n, pieces, err2, whole, err)
		}
		if err != nil {
			return
		}
		if _, found := In(whole, live); found {
			t.Fatal("a surrogate is left")
		}
		if _, had := In(body, live); !had && whole != body {
			t.Fatal("a body without surrogates was changed")
		}
		if asJSON && utf8.ValidString(body) && json.Valid([]byte(body)) {
			var before, after any
			if json.Unmarshal([]byte(body), &before) != nil || json.Unmarshal([]byte(whole), &after) != nil {
				t.Fatalf("%q is no JSON any more: %q", body, whole)
			}
			if shape(before) != shape(after) {
				t.Fatalf("the shape of %q changed: %q", body, whole)
			}
		}
		if !asJSON && strings.Count(body, "&") != strings.Count(whole, "&") {
			t.Fatal("the form has other fields")
		}
	})
}

// shape is a JSON value without its texts.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		text := "{"
		b, _ := json.Marshal(len(v))
		return text + string(b) + "}"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, shape(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case string:
		return "s"
	}
	return "x"
}

// FuzzAddress: whatever the value, the address keeps its origin and its
// structure, and decodes to the value where the surrogate stood.
func FuzzAddress(f *testing.F) {
	f.Add("/a/", "k", secret)
	f.Add("/", "a b", "../..")
	f.Fuzz(func(t *testing.T, path, key, value string) {
		if value == "" || strings.Contains(value, "sp1") || strings.Contains(path+key, "sp1") || len(path)+len(key)+len(value) > 4096 {
			return
		}
		address := "https://a.example/" + path + tokenB + "/end?x=1&" + url.QueryEscape(key) + "=" + tokenA
		d, err := Locate(Request{Method: "GET", URL: address}, live)
		if err != nil || d.Whole != "" {
			return
		}
		out, err := d.Fill(func(string, manifests.Position, manifests.Target) ([]byte, error) { return []byte(value), nil })
		if err != nil {
			return
		}
		again, err := url.Parse(out.URL.String())
		if err != nil || again.Host != "a.example" || again.Fragment != "" || again.User != nil {
			t.Fatalf("%q became %v, %v", address, out.URL, err)
		}
		if got := again.Query()[key]; len(got) == 0 || got[len(got)-1] != value {
			t.Fatalf("the query of %q decodes to %q, want %q", out.URL, got, value)
		}
		if strings.Count(again.EscapedPath(), "/") != strings.Count(d.Target.Path, "/") {
			t.Fatalf("the path %q has other segments than %q", again.EscapedPath(), d.Target.Path)
		}
	})
}
