package main

import (
	"net/url"
	"strings"
	"testing"
)

const someStatus = `<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">
<d:response><d:href>/a%20b/</d:href><d:propstat><d:prop><d:displayname>A &amp; B</d:displayname><d:resourcetype><d:collection/><c:addressbook/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
<d:response><d:href>https://other.example/x#y</d:href><d:href> gone.vcf </d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>
<d:sync-token>urn:1</d:sync-token><x:response xmlns:x="urn:x"/></d:multistatus>`

func read(text string) (items []item, a answer, err error) {
	a, err = readMultistatus("https://dav.example/dir/book/", strings.NewReader(text), func(it item) error {
		items = append(items, it)
		return nil
	})
	return items, a, err
}

func TestReadMultistatus(t *testing.T) {
	items, a, err := read(someStatus)
	if err != nil || a.syncToken != "urn:1" || len(items) != 3 {
		t.Fatalf("%+v, %+v, %v", items, a, err)
	}
	if it := items[0]; it.url != "https://dav.example/a%20b/" || it.status != 0 || it.prop.DisplayName != "A & B" || it.prop.ResourceType.AddressBook == nil {
		t.Errorf("%+v", it)
	}
	if items[1].url != "https://other.example/x" || items[2].url != "https://dav.example/dir/book/gone.vcf" || items[2].status != 404 {
		t.Errorf("%+v", items[1:])
	}
	for _, bad := range []string{"<a", "<html><body>", strings.Replace(someStatus, "/a%20b/", "%zz", 1)} {
		if _, _, err := read(bad); err == nil {
			t.Errorf("%.20q was read", bad)
		}
	}
}

// What a server says of a resource in several parts belongs together.
func TestPropstatsOfOneResource(t *testing.T) {
	part := func(prop string) string {
		return `<d:propstat><d:prop>` + prop + `</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>`
	}
	items, _, err := read(`<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><d:response><d:href>a</d:href>` +
		part(`<d:getetag>"1"</d:getetag><d:displayname>A</d:displayname>`) +
		part(`<d:resourcetype><d:collection/></d:resourcetype><c:address-data></c:address-data>`) +
		part(`<d:resourcetype><c:addressbook/></d:resourcetype><d:current-user-principal><d:href>p</d:href></d:current-user-principal>`) +
		part(`<c:addressbook-home-set><d:href>h</d:href></c:addressbook-home-set>`) +
		part(`<d:supported-report-set><d:supported-report><d:report><d:sync-collection/></d:report></d:supported-report></d:supported-report-set>`) +
		strings.Replace(part(`<d:getetag>"2"</d:getetag>`), "200", "404", 1) + `</d:response></d:multistatus>`)
	if err != nil || len(items) != 1 {
		t.Fatalf("%+v, %v", items, err)
	}
	p := items[0].prop
	if p.ETag != `"1"` || p.DisplayName != "A" || p.ResourceType.Collection == nil || p.ResourceType.AddressBook == nil || p.Principal.Href != "p" ||
		len(p.HomeSet.Hrefs) != 1 || len(p.Reports.List) != 1 || p.Card == nil || *p.Card != "" {
		t.Errorf("%+v", p)
	}
}

func TestOffersBasic(t *testing.T) {
	for field, want := range map[string]bool{
		`Basic realm="x"`:                       true,
		`basic`:                                 true,
		`Digest realm="x", Basic realm="y"`:     true,
		`Digest realm="x, Basic realm", qop=x`:  false,
		`Digest realm="Basic", nonce="a,Basic"`: false,
		`Bearer`:                                false,
	} {
		if got := offersBasic([]string{`Negotiate`, field}); got != want {
			t.Errorf("%s: %v", field, got)
		}
	}
}

// Servers do not escape a path the same way twice; what differs is one all the
// same, and what is another stays another.
func TestResolve(t *testing.T) {
	for href, want := range map[string]string{
		"a b.vcf":                       "/dir/book/a%20b.vcf",
		"/dir/book/%61%40x.vcf":         "/dir/book/a@x.vcf",
		"/dir/book/a%2fb.vcf":           "/dir/book/a%2Fb.vcf",
		"/dir/book/a%2F%40%252F.vcf":    "/dir/book/a%2F@%252F.vcf",
		"%2F.vcf":                       "/dir/book/%2F.vcf",
		"/dir/book/*":                   "/dir/book/%2A",
		"/dir/book/%2a":                 "/dir/book/%2A",
		"../book/a;b=c,d!'()%5B%5D.vcf": "/dir/book/a;b=c,d%21%27%28%29%5B%5D.vcf",
		"%C3%A9.vcf":                    "/dir/book/%C3%A9.vcf",
		"é.vcf":                         "/dir/book/%C3%A9.vcf",
		"":                              "/dir/book/",
	} {
		base, _ := url.Parse("https://dav.example/dir/book/")
		got, err := resolve(base, href)
		if err != nil || got != "https://dav.example"+want {
			t.Errorf("%s: %s, %v, want %s", href, got, err, want)
		}
		if again, err := resolve(base, got); err != nil || again != got {
			t.Errorf("%s: %s, and then %s, %v", href, got, again, err)
		}
	}
}

func TestStatusCode(t *testing.T) {
	for line, want := range map[string]int{"HTTP/1.1 404 Not Found": 404, "HTTP/1.1 200": 200, "": 0, "HTTP/1.1": 0, "HTTP/1.1 x": 0} {
		if got := statusCode(line); got != want {
			t.Errorf("%q: %d", line, got)
		}
	}
}

// FuzzMultistatus: any answer is read or refused, and names absolute URLs
// only.
func FuzzMultistatus(f *testing.F) {
	f.Add(someStatus)
	f.Add(`<multistatus xmlns="DAV:"><response><href/><status>HTTP/1.1 507</status></response><response><href>//x/y</href></response></multistatus>`)
	f.Fuzz(func(t *testing.T, text string) {
		items, _, err := read(text)
		if err != nil {
			return
		}
		for _, it := range items {
			if u, err := url.Parse(it.url); err != nil || !u.IsAbs() || u.Fragment != "" {
				t.Errorf("%q, %v", it.url, err)
			}
		}
	})
}
