package cookies_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/host/internal/cookies"
)

func stateOf(t *testing.T, text string) cookies.State {
	t.Helper()
	s, err := cookies.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const stored = `{"cookies":[{"name":"sid","value":"s0","domain":"example.org","path":"/","expires":-1,"sameSite":"Lax"},
	{"name":"csrf","value":"c0","domain":"example.org","path":"/","expires":-1,"sameSite":"Lax"}],"origins":[{"origin":"https://example.org","localStorage":[]}]}`

// set is what an answer of example.org set.
func set(t *testing.T, j *cookies.Jar, lines ...string) {
	t.Helper()
	for _, line := range lines {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		j.Set(address(t, "https://example.org/"), c)
	}
}

func TestMerge(t *testing.T) {
	before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	other := func(name string) string {
		return `{"cookies":[{"name":"sid","value":"other","domain":"example.org","path":"/","expires":-1,"sameSite":"Lax"},
			{"name":"csrf","value":"c0","domain":"example.org","path":"/","expires":-1,"sameSite":"Lax"},
			{"name":"` + name + `","value":"new","domain":"example.org","path":"/","expires":-1}],"origins":[]}`
	}
	for name, c := range map[string]struct {
		set  []string
		now  string // what is stored by then
		at   time.Time
		want []string // nil for no difference
	}{
		"nothing set":                   {nil, stored, before, nil},
		"the same again":                {[]string{"sid=s0; Path=/"}, stored, before, nil},
		"one changed":                   {[]string{"sid=s1; Path=/"}, stored, before, []string{"c0", "s1"}},
		"changed and changed back":      {[]string{"sid=s1; Path=/", "sid=s0; Path=/"}, stored, before, nil},
		"one added":                     {[]string{"more=m; Path=/"}, stored, before, []string{"c0", "m", "s0"}},
		"one ended":                     {[]string{"csrf=; Path=/; Max-Age=0"}, stored, before, []string{"s0"}},
		"all ended":                     {[]string{"csrf=x; Path=/; Max-Age=0", "sid=x; Path=/; Max-Age=0"}, stored, before, nil},
		"both changed one, ours later":  {[]string{"sid=s1; Path=/"}, other("extra"), before, []string{"c0", "new", "s1"}},
		"both changed one, ours older":  {[]string{"sid=s1; Path=/"}, other("extra"), after, nil},
		"each changed its own":          {[]string{"csrf=c1; Path=/"}, other("extra"), after, []string{"c1", "new", "other"}},
		"ours ended what was changed":   {[]string{"sid=; Path=/; Max-Age=0"}, other("extra"), after, nil},
		"another's domain":              {[]string{"sid=evil; Path=/; Domain=bank.example"}, stored, before, nil},
		"a public suffix":               {[]string{"sid=evil; Path=/; Domain=org"}, stored, before, nil},
		"a domain that it ends in only": {[]string{"sid=evil; Path=/; Domain=ple.org"}, stored, before, nil},
	} {
		t.Run(name, func(t *testing.T) {
			j := cookies.NewJar()
			j.Load(stateOf(t, stored))
			set(t, j, c.set...)
			text, at, differs := j.Merge(stateOf(t, c.now), c.at)
			if differs != (c.want != nil) || differs != !at.IsZero() {
				t.Fatalf("differs %v, at %v", differs, at)
			}
			if !differs {
				return
			}
			got := stateOf(t, string(text))
			values := got.Values()
			slices.Sort(values)
			if !slices.Equal(values, c.want) {
				t.Errorf("got %q, want %q", values, c.want)
			}
			if len(got.Origins) != len(stateOf(t, c.now).Origins) {
				t.Error("what is stored beside the cookies was lost")
			}
		})
	}
}
