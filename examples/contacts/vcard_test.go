package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, text string) vcard {
	t.Helper()
	c, faults := parseCard(text)
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

func TestParseLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want property
	}{
		{"FN:Ada", property{name: "FN", value: "Ada"}},
		{"fn:a:b", property{name: "FN", value: "a:b"}},
		{"Item1.tel;type=CELL;TYPE=pref:1", property{group: "item1", name: "TEL", params: map[string][]string{"TYPE": {"CELL", "pref"}}, value: "1"}},
		{"TEL;HOME:1", property{name: "TEL", params: map[string][]string{"TYPE": {"HOME"}}, value: "1"}},
		{`TEL;TYPE="home,cell";LABEL="a:b;c":1`, property{name: "TEL", params: map[string][]string{"TYPE": {"home,cell"}, "LABEL": {"a:b;c"}}, value: "1"}},
		{`ADR;LABEL="1 Rd^nTown ^'x^' ^^":;;`, property{name: "ADR", params: map[string][]string{"LABEL": {"1 Rd\nTown \"x\" ^"}}, value: ";;"}},
	} {
		if got, ok := parseLine(c.line); !ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\n got %#v\nwant %#v", c.line, got, c.want)
		}
	}
	for _, line := range []string{"", "no colon", ":value", "item1.:x", `X;Y="open:1`} {
		if got, ok := parseLine(line); ok {
			t.Errorf("%q was read as %#v", line, got)
		}
	}
}

func TestParseCard(t *testing.T) {
	c := mustParse(t, "\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nNOTE:one\\, two\\nthr\r\n ee \\;\r\n\t!\\\\\r\ngarbage\r\nEND:VCARD\r\n")
	if got, want := c.text("NOTE"), "one, two\nthree ;!\\"; got != want {
		t.Errorf("NOTE %q, want %q", got, want)
	}
	for _, text := range []string{"", "FN:x", "END:VCARD", "BEGIN:VCALENDAR\nEND:VCALENDAR"} {
		if c, faults := parseCard(text); c != nil || !slices.Equal(faults, []fault{notVCard}) {
			t.Errorf("%q: %v, %q", text, c, faults)
		}
	}
	if got := splitEscaped(`a\;b;;c\\;d\`, ';'); !reflect.DeepEqual(got, []string{"a;b", "", `c\`, `d\`}) {
		t.Errorf("split into %q", got)
	}
}

// Cards as they are met with are read as far as they go, and what is wrong with
// them is said.
func TestCardsThatAreNotWellFormed(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		faults []fault
	}{
		"byte order mark":   {"\ufeffBEGIN:VCARD\nFN:Ada\nEND:VCARD\n", nil},
		"trailing space":    {"BEGIN:VCARD \nFN:Ada\nEND:VCARD \t\n", nil},
		"lone returns":      {"BEGIN:VCARD\rFN:Ada\rEND:VCARD\r", nil},
		"no end":            {"BEGIN:VCARD\nFN:Ada\n", []fault{truncated}},
		"agent":             {"BEGIN:VCARD\nAGENT:\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\nFN:Ada\nEND:VCARD\n", nil},
		"agent in one line": {"BEGIN:VCARD\nAGENT:BEGIN:VCARD\nFN:Bob\nEND:VCARD\nFN:Ada\nEND:VCARD\n", nil},
		"no end, another":   {"BEGIN:VCARD\nFN:Ada\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\n", []fault{truncated}},
		"two":               {"BEGIN:VCARD\nFN:Ada\nEND:VCARD\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\n", []fault{several}},
	} {
		card, faults := parseCard(c.text)
		if got := card.text("FN"); got != "Ada" || !slices.Equal(faults, c.faults) {
			t.Errorf("%s: %q, faults %q, want %q", name, got, faults, c.faults)
		}
	}
}

func TestEncodedText(t *testing.T) {
	for line, want := range map[string]string{
		"NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BCrgen=0D=0Azwei":          "Jürgen\nzwei",
		"NOTE;QUOTED-PRINTABLE:a=3Db":                                                 "a=b",
		"NOTE;ENCODING=quoted-printable:one =\r\ntwo=\n three=\r\n=C3=\r\n=A9":        "one two threeé",
		"NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:J=FCrgen":                  "Jürgen",
		"NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=windows-1252:=80 =93x=94":             "€ “x”",
		"NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=KOI8-R:plain":                         "plain",
		"NOTE;ENCODING=BASE64:SsO8cmdlbg==":                                           "Jürgen",
		"NOTE;ENCODING=B:SsO8\n cmdlbg==":                                             "Jürgen",
		"NOTE;CHARSET=ISO-8859-1:Jürgen":                                              "Jürgen",
		"NOTE;ENCODING=8BIT:x=41":                                                     "x=41",
		"NOTE:x=\nFN:y":                                                               "x=",
		"NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=KOI8-R:a=C1 !text_not_decodable":      "a\ufffd !text_not_decodable",
		"NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=windows-1252:=81 !text_not_decodable": "\ufffd !text_not_decodable",
		"NOTE;ENCODING=QUOTED-PRINTABLE:=FF !text_not_decodable":                      "\ufffd !text_not_decodable",
		"NOTE;ENCODING=QUOTED-PRINTABLE:=4x=41 !text_not_decodable":                   "=4xA !text_not_decodable",
		"NOTE;ENCODING=BASE64:??? !text_not_decodable":                                "??? !text_not_decodable",
		"NOTE;ENCODING=UUENCODE:abc !text_not_decodable":                              "abc !text_not_decodable",
	} {
		c, faults := parseCard(card(line))
		bad := strings.HasSuffix(want, string(undecodable))
		if got := c.text("NOTE"); got != want || bad != slices.Equal(faults, []fault{undecodable}) || !bad && faults != nil {
			t.Errorf("%q: %q, faults %q, want %q", line, got, faults, want)
		}
	}
	// What is not collected as text is left alone.
	if _, faults := parseCard(card("LOGO;ENCODING=X-OWN:??", "PHOTO;BASE64;JPEG:QUJD")); faults != nil {
		t.Errorf("faults %q", faults)
	}
	name := contactOf(mustParse(t, card("N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=BCrgen;;;")), "i", "b", "")
	if *name.FamilyName != "Müller" || *name.GivenName != "Jürgen" {
		t.Errorf("%s, %s", *name.FamilyName, *name.GivenName)
	}
}

// version3 and version4 say the same of one person, each in its own way.
const version3 = `BEGIN:VCARD
VERSION:3.0
UID:5F6F-ADA
N:Lovelace;Ada;King;Countess;
FN:Ada Lovelace
ORG:Analytical\, Ltd;Engines
TITLE:Programmer
NOTE:First\nof all
BDAY;VALUE=date:1815-12-10
EMAIL;TYPE=INTERNET,HOME,pref:ada@engine.example
TEL;TYPE=CELL:+44-20-7946-0001
ADR;TYPE=HOME:;Flat 2;12 St James's Sq;London;;SW1Y 4JH;United Kingdom
PHOTO;ENCODING=b;TYPE=JPEG:/9j/
 4AAQ
REV:20260110T090000Z
END:VCARD`

const version4 = `BEGIN:VCARD
VERSION:4.0
UID:urn:uuid:5F6F-ADA
N:Lovelace;Ada;King;Countess;
FN:Ada Lovelace
ORG:Analytical\, Ltd;Engines
TITLE:Programmer
NOTE:First\nof all
BDAY:18151210
EMAIL;TYPE=home;PREF=1:ada@engine.example
TEL;VALUE=uri;TYPE="cell":tel:+44-20-7946-0001
ADR;TYPE=home:;Flat 2;12 St James's Sq;London;;SW1Y 4JH;United Kingdom
PHOTO:data:image/jpeg;base64,/9j/4AAQ
REV:20260110T090000Z
END:VCARD`

func TestBothVersionsGiveTheSameRecord(t *testing.T) {
	const want = `{"id":"i","addressbook_url":"b","uid":"5F6F-ADA","display_name":"Ada Lovelace","family_name":"Lovelace","given_name":"Ada",` +
		`"org":"Analytical, Ltd, Engines","title":"Programmer","note":"First\nof all","birthday":"1815-12-10",` +
		`"emails":[{"types":["home","pref"],"value":"ada@engine.example"}],"phones":[{"types":["cell"],"value":"+44-20-7946-0001"}],` +
		`"addresses":[{"types":["home"],"value":"Flat 2, 12 St James's Sq, London, SW1Y 4JH, United Kingdom","po_box":null,"extended":"Flat 2",` +
		`"street":"12 St James's Sq","city":"London","region":null,"postal_code":"SW1Y 4JH","country":"United Kingdom"}],` +
		`"has_photo":true,"photo_media_type":"image/jpeg","photo_base64":"/9j/4AAQ","etag":"\"e\"","rev":"20260110T090000Z"}`
	for version, text := range map[string]string{"3": version3, "4": version4} {
		got, err := json.Marshal(contactOf(mustParse(t, text), "i", "b", `"e"`))
		if err != nil || string(got) != want {
			t.Errorf("version %s\n got %s\nwant %s", version, got, want)
		}
	}
}

func TestBareCard(t *testing.T) {
	const want = `{"id":"i","addressbook_url":"b","uid":null,"display_name":null,"family_name":null,"given_name":null,"org":null,"title":null,` +
		`"note":null,"birthday":null,"emails":[],"phones":[],"addresses":[],"has_photo":false,"photo_media_type":null,"photo_base64":null,"etag":null,"rev":null}`
	got, err := json.Marshal(contactOf(mustParse(t, card("N:;", "EMAIL:", "ADR:;;;;;;", "PHOTO:")), "i", "b", ""))
	if err != nil || string(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestDisplayNameWithoutFN(t *testing.T) {
	for want, lines := range map[string][]string{
		"Ada Lovelace": {"N:Lovelace;Ada;;;", "ORG:X"},
		"Lovelace":     {"N:Lovelace"},
		"X, Y":         {"ORG:X;Y", "EMAIL:a@b"},
		"a@b":          {"EMAIL:a@b"},
	} {
		if got := contactOf(mustParse(t, card(lines...)), "i", "b", "").DisplayName; got == nil || *got != want {
			t.Errorf("%q: %v, want %q", lines, got, want)
		}
	}
}

func TestBirthday(t *testing.T) {
	for line, want := range map[string]string{
		"BDAY:1985-04-12":                              "1985-04-12",
		"BDAY:19850412":                                "1985-04-12",
		"BDAY:--0412":                                  "--04-12",
		"BDAY:--04-12":                                 "--04-12",
		"BDAY:1985-04":                                 "1985-04",
		"BDAY:1985":                                    "1985",
		"BDAY:1953-10-15T23:10:00Z":                    "1953-10-15",
		"BDAY;VALUE=text:circa 1800":                   "circa 1800",
		"BDAY;VALUE=text:Tuesday":                      "Tuesday",
		"BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12":       "--04-12",
		"BDAY;X-APPLE-OMIT-YEAR=1604:1985-04-12":       "1985-04-12",
		"BDAY;VALUE=date;X-APPLE-OMIT-YEAR=1604:--412": "--412",
		"BDAY:": "",
	} {
		if got := mustParse(t, card(line)).birthday(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestTypes(t *testing.T) {
	c := mustParse(t, card("item1.EMAIL;TYPE=INTERNET:a@b", "item1.X-ABLabel:_$!<Other>!$_", "item2.TEL;type=WORK;type=work;type=pref:1",
		"item2.X-ABLabel:Desk", "TEL;WORK;FAX:2"))
	if got := c.values("EMAIL", ""); !reflect.DeepEqual(got, []typedValue{{[]string{"other"}, "a@b"}}) {
		t.Errorf("emails %+v", got)
	}
	want := []typedValue{{[]string{"work", "pref", "desk"}, "1"}, {[]string{"work", "fax"}, "2"}}
	if got := c.values("TEL", "tel:"); !reflect.DeepEqual(got, want) {
		t.Errorf("phones %+v", got)
	}
}

func TestPhoto(t *testing.T) {
	for line, want := range map[string][3]string{
		"PHOTO;ENCODING=BASE64;TYPE=jpg:QUJD":      {"true", "image/jpeg", "QUJD"},
		"PHOTO;BASE64;JPEG:QUJD":                   {"true", "image/jpeg", "QUJD"},
		"PHOTO;ENCODING=b:QUJD":                    {"true", "-", "QUJD"},
		"PHOTO;ENCODING=b;MEDIATYPE=x;GIF:QUJD":    {"true", "image/gif", "QUJD"},
		"PHOTO;VALUE=uri:https://x.example/p.png":  {"true", "-", "-"},
		`PHOTO:data:image/png\;base64\,QUJD`:       {"true", "image/png", "QUJD"},
		"PHOTO:data:image/svg+xml,%3Csvg%3E":       {"true", "image/svg+xml", "-"},
		"PHOTO;MEDIATYPE=image/png:http://x.examp": {"true", "-", "-"},
		"PHOTO:": {"false", "-", "-"},
	} {
		has, media, data := mustParse(t, card(line)).photo()
		got := [3]string{"false", "-", "-"}
		if has {
			got[0] = "true"
		}
		if media != nil {
			got[1] = *media
		}
		if data != nil {
			got[2] = *data
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestGroupCards(t *testing.T) {
	for _, c := range []vcard{
		mustParse(t, card("KIND:group", "FN:Team", "MEMBER:urn:uuid:a", "MEMBER:mailto:b@c")),
		mustParse(t, card("X-ADDRESSBOOKSERVER-KIND:group", "FN:Team", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:a", "X-ADDRESSBOOKSERVER-MEMBER:mailto:b@c")),
	} {
		if !c.isGroup() || !reflect.DeepEqual(c.members(), []string{"Team", "a", "mailto:b@c"}) {
			t.Errorf("%v", c)
		}
	}
	c := mustParse(t, card("CATEGORIES:A,B\\, C", "CATEGORIES:A, D"))
	if got := c.categories("x.vcf"); !reflect.DeepEqual(got, []string{"x.vcf", "A", "B, C", "D"}) {
		t.Errorf("categories %q", got)
	}
	if c.isGroup() || mustParse(t, card("KIND:individual")).isGroup() {
		t.Error("a person is a group")
	}
}

// FuzzParseCard: any text is read or refused, and what is read makes a record
// that is JSON, with nothing in it that the text has not.
func FuzzParseCard(f *testing.F) {
	f.Add(version3)
	f.Add(version4)
	f.Add("BEGIN:VCARD\nitem1.X;\"=\"\",,;:\\\n \n\tx\nADR:\nORG:;\nCATEGORIES:,\nPHOTO:data:\nMEMBER:\nEND:VCARD")
	f.Fuzz(func(t *testing.T, text string) {
		c, faults := parseCard(text)
		if (c == nil) != slices.Contains(faults, notVCard) {
			t.Errorf("%v, %q", c, faults)
		}
		if c == nil {
			return
		}
		out := contactOf(c, "i", "b", "e")
		if _, err := json.Marshal(out); err != nil {
			t.Error(err)
		}
		if out.Emails == nil || out.Phones == nil || out.Addresses == nil {
			t.Error("a list is null")
		}
		p := &progress{}
		p.note("x", c)
		for _, g := range p.groups("b/") {
			if g.MemberUIDs == nil || !strings.HasPrefix(g.ID, "b/") {
				t.Errorf("%+v", g)
			}
		}
	})
}
