package storagestate

import (
	"strings"
	"testing"
)

const text = `{"cookies":[
	{"name":"a","value":"1<","domain":".shop.app","path":"/","expires":-1,"httpOnly":true,"secure":true,"sameSite":"Lax"},
	{"name":"b","value":"2","domain":"www.shop.app","path":"/","expires":1900000000.5,"httpOnly":false,"secure":true,"sameSite":"None"},
	{"name":"c","value":"canary-5b","domain":"notshop.app","path":"/","expires":-1,"httpOnly":true,"secure":true,"sameSite":"Lax"}],
	"origins":[{"origin":"https://shop.app","localStorage":[{"name":"k","value":"v"}]},{"origin":"https://loom.com","localStorage":[]}]}`

func TestOf(t *testing.T) {
	s, err := Parse([]byte("\ufeff" + text))
	if err != nil || !Looks([]byte(text)) {
		t.Fatal(err)
	}
	got, err := s.Of([]string{"shop.app"}).Text()
	want := `{"cookies":[{"name":"a","value":"1<","domain":".shop.app","path":"/","expires":-1,"httpOnly":true,"secure":true,"sameSite":"Lax"},` +
		`{"name":"b","value":"2","domain":"www.shop.app","path":"/","expires":1900000000.5,"httpOnly":false,"secure":true,"sameSite":"None"}],` +
		`"origins":[{"origin":"https://shop.app","localStorage":[{"name":"k","value":"v"}]}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if rest, err := s.Of(nil).Text(); err != nil || string(rest) != `{"cookies":[],"origins":[]}` {
		t.Errorf("%s %v", rest, err)
	}
}

func TestRefuses(t *testing.T) {
	for _, bad := range []string{"", "{}", "[]", `{"cookies":"canary-5b"}`, `{"cookies":[{"value":"canary-5b"}]}`, `{"cookies":[{"name":"canary-5b","domain":"."}]}`, text + "canary-5b"} {
		if _, err := Parse([]byte(bad)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
