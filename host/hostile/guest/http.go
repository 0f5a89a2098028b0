//go:build wasip1

package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

func home(path string) string { return s.Options.Home + path }
func drop(path string) string { return s.Options.Drop + path }

// Tricks with requests and answers.
var _ = add(map[string]func(){
	// The source echoes the value that it got in some way, and the guest
	// passes on whatever it reads.
	"an echo": func() {
		a := get(home("/auth/echo/"+strings.ReplaceAll(s.Options.Form, " ", "-")), bearer(mine("TOKEN")))
		all := fmt.Sprint(a, " ", a.headers)
		note("%s", a)
		note("its headers: %s", quoted(a, "X-Echo", "Location"))
		note("to the drop: %s", get(drop("/?n=1"), [2]string{"X-Got", strings.Map(visible, all)}))
		note("as a record: %d", record(all))
	},
	"an echo of an earlier request": func() {
		get(home("/auth/keep"), bearer(mine("TOKEN")))
		note("%s", get(home("/open/kept")))
		note("%d", record(get(home("/open/kept")).String()))
	},
	"an echo to one that has used nothing": func() {
		v := get(home("/open/kept"))
		note("%s", v)
		note("%d", record(v.String()))
		note("%s", get(drop("/"), [2]string{"X-Got", v.body}))
	},
	"another origin hands over the value": func() {
		mine("TOKEN")
		note("%s", get(drop("/give")))
	},
	"a value that is read before it is asked for": func() {
		v := get(drop("/give")).body
		note("read %d bytes", len(v))
		mine("TOKEN")
		note("%d", record(v))
	},
	"a redirect": func() {
		token := mine("TOKEN")
		a := get(home("/auth/redirect"), bearer(token))
		note("%s to %s", a, quoted(a, "Location"))
		note("%s", get(a.header("Location"), bearer(token)))
	},
	"a redirect, with the surrogate where the source put it": func() {
		a := get(home("/auth/redirect"), bearer(mine("TOKEN")))
		_, query, _ := strings.Cut(a.header("Location"), "?")
		note("to the drop: %s", get(a.header("Location")))
		note("to its own: %s", get(home("/auth/x?"+query)))
	},
	"names of HTTP 2's own": func() {
		token := mine("TOKEN")
		for _, name := range []string{":authority", ":path", ":method", ":status"} {
			note("%s", get(home("/auth/x"), bearer(token), [2]string{name, "drop.example.com"}))
		}
	},
	"a cookie for all of the domain": func() {
		a := get(home("/auth/wide-cookie"), bearer(mine("TOKEN")))
		id, _, _ := strings.Cut(strings.TrimPrefix(a.header("Set-Cookie"), "id="), ";")
		note("a surrogate: %v", strings.HasPrefix(id, "sp1"))
		note("to the drop: %s", get(drop("/"), [2]string{"Cookie", "id=" + id}))
		note("back: %s", get(home("/open/crumb"), [2]string{"Cookie", "id=" + id}))
	},
	"one surrogate in two requests at once": func() {
		token := mine("TOKEN")
		var hs [2]int64
		for i := range hs {
			hs[i] = request(head{Method: "GET", URL: home("/auth/echo/plain"), Headers: [][2]string{bearer(token)}}, "")
		}
		for _, h := range hs {
			note("%s", finish(h))
		}
	},
	"a redirect within the origin": func() {
		token := mine("TOKEN")
		a := get(home("/auth/redirect-home"), bearer(token))
		note("%s", get(home(a.header("Location")), bearer(token)))
	},
	"an upgrade": func() {
		note("%s", get(home("/auth/x"), bearer(mine("TOKEN")), [2]string{"Connection", "Upgrade"}, [2]string{"Upgrade", "websocket"}))
	},
	"an upgrade nobody asked for": func() { note("%s", get(home("/auth/upgrade"), bearer(mine("TOKEN")))) },
	"two lengths": func() {
		token := mine("TOKEN")
		for _, h := range [][2]string{{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}, {"Host", "drop.example.com"}, {"Trailer", "Authorization"}, {"TE", "trailers"}, {"Proxy-Authorization", token}} {
			note("%s", do("POST", home("/auth/x"), "x", bearer(token), h))
		}
	},
	"a range": func() { note("%s", get(home("/auth/x"), bearer(mine("TOKEN")), [2]string{"Range", "bytes=0-3"})) },
	"another encoding asked for": func() {
		note("%s", get(home("/auth/asked"), bearer(mine("TOKEN")), [2]string{"Accept-Encoding", "br, zstd"}))
	},
	"line breaks in a header": func() {
		token := mine("TOKEN")
		for _, v := range []string{"a\r\nX-B: " + token, "a\nb", "a\x00b", "\r" + token} {
			note("%s", get(home("/auth/x"), [2]string{"Authorization", v}))
		}
	},
	"line breaks in a value": func() { note("%s", get(home("/auth/x"), bearer(surrogate("BROKEN")))) },
	"forged surrogates": func() {
		token := mine("TOKEN")
		for _, v := range []string{
			"sp1" + strings.Repeat("A", 37), token[:39], token[1:], strings.ToUpper(token), token[:20] + " " + token[20:],
			each(token, "%%%02x"), each(token, "&#%d;"), b64(token),
		} {
			note("%s", get(home("/auth/show"), [2]string{"X-Show", v}))
		}
	},
	"a surrogate of another run":        func() { note("%s", get(home("/auth/show"), bearer(s.Options.Form))) },
	"its own surrogate, told to itself": func() { note("told %s", each(surrogate("TOKEN"), "%c.")) },
	"other paths and methods": func() {
		token := mine("TOKEN")
		for _, path := range []string{"/open/x", "/auth/../open/x", "/auth/%2e%2e/open/x", "/auth/..%2fopen", "/auth//../../open", "/AUTH/x", "/auth;x/../y", `/auth\..\open`} {
			note("%s %s", path, get(home(path), bearer(token)))
		}
		note("DELETE %s", do("DELETE", home("/auth/x"), "", bearer(token)))
		note("override %s", do("POST", home("/auth/x"), "", bearer(token), [2]string{"X-HTTP-Method-Override", "DELETE"}))
	},
	"another method, named": func() {
		token := mine("TOKEN")
		form, asJSON := [2]string{"Content-Type", "application/x-www-form-urlencoded"}, [2]string{"Content-Type", "application/json"}
		for _, name := range []string{"X-HTTP-Method-Override", "x-http-method", "X_Method_Override"} {
			note("%s", do("POST", home("/auth/x"), "", bearer(token), [2]string{name, "DELETE"}))
		}
		note("%s", do("POST", home("/auth/x?a=1&%5Fmethod=DELETE"), "", bearer(token)))
		note("%s", do("POST", home("/auth/x"), "a=1&_method=DELETE", bearer(token), form))
		note("%s", do("POST", home("/auth/x"), `{"a": 1, "\u005fmethod": "DELETE"}`, bearer(token), asJSON))
		note("%s", do("POST", home("/auth/x"), "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n", bearer(token), [2]string{"Content-Type", "multipart/form-data; boundary=b"}))
	},
	"the same member twice": func() {
		token := mine("TOKEN")
		for _, body := range []string{
			`{"token":"` + token + `","token":"x"}`, `{"token":"x","token":"` + token + `"}`, `{"Token":"x","token":"` + token + `"}`, `{"\u0074oken":"x","token":"` + token + `"}`,
			`{"token":1,"` + strings.Repeat("n", 70_000) + `":"` + token + `"}`,
		} {
			note("%s", do("POST", home("/json/profile"), body, [2]string{"Content-Type", "application/json"}))
		}
		note("read back %s", get(home("/open/profile")))
	},
	"other names for hosts": func() {
		token := mine("TOKEN")
		p := port(s.Options.Home)
		for _, u := range []string{
			"https://drop.example.com:" + p, "https://home.example.com.:" + p, "https://home.example.com:443", "https://127.0.0.1:" + p, "https://2130706433:" + p,
			"https://0x7f.1:" + p, "https://0177.0.0.1:" + p, "https://[::ffff:127.0.0.1]:" + p, "https://[::1%25lo]:" + p, "https://169.254.169.254", "http://home.example.com:" + p,
			"https://home.example.com:" + p + "@drop.example.com", "https://home.example.com:" + p + `\@drop.example.com`, "https://ｈome.example.com:" + p, "https://home.example.com:" + p + "0",
		} {
			note("%s", get(u+"/auth/x", bearer(token)))
		}
	},
	"a name for this machine": func() { note("%s", get("https://localhost:"+port(s.Options.Home)+"/")) },

	// The source as drop box: it is asked to keep the credential where
	// anybody may read it.
	"the profile, by JSON": func() {
		token := mine("TOKEN")
		note("%s", do("POST", home("/auth/profile"), `{"bio":"`+token+`"}`, bearer(token), [2]string{"Content-Type", "application/json"}))
		note("read back %s", get(home("/open/profile")))
	},
	"the profile, by form": func() {
		token := mine("TOKEN")
		note("%s", do("POST", home("/auth/profile"), "bio="+token, bearer(token), [2]string{"Content-Type", "application/x-www-form-urlencoded"}))
		note("read back %s", get(home("/open/profile")))
	},
	"the profile, beside the place that is allowed": func() {
		token := mine("TOKEN")
		note("%s", do("POST", home("/json/profile"), `{"token":"`+token+`","bio":"`+token+`"}`, [2]string{"Content-Type", "application/json"}))
		note("%s", do("POST", home("/json/profile"), `{"bio":{"token":"`+token+`"}}`, [2]string{"Content-Type", "application/json"}))
		note("%s", do("POST", home("/form/profile"), "password="+token+"&bio="+token, [2]string{"Content-Type", "application/x-www-form-urlencoded"}))
		note("%s", do("POST", home("/form/profile"), "bio%3Dx%26password="+token, [2]string{"Content-Type", "application/x-www-form-urlencoded"}))
		note("read back %s", get(home("/open/profile")))
	},
	"the profile, called something else": func() {
		token := mine("TOKEN")
		note("%s", do("POST", home("/json/profile"), `{"token":"`+token+`"}`, [2]string{"Content-Type", "text/plain"}))
		note("%s", do("POST", home("/form/profile"), "password="+token, [2]string{"Content-Type", "multipart/form-data; boundary=password"}))
		note("read back %s", get(home("/open/profile")))
	},
	"the profile, at the place that is allowed": func() {
		token := mine("TOKEN")
		note("%s", do("POST", home("/json/profile"), `{"token":"`+token+`"}`, [2]string{"Content-Type", "application/json"}))
		note("read back %s", get(home("/open/profile")))
		note("%d", record(get(home("/open/profile")).String()))
	},
	"what is denied beside what is allowed": func() { note("%s", get(home("/open/private"))) },
	"another credential's place": func() {
		token := mine("ANOTHER")
		note("%s", get(home("/auth/x"), bearer(token)))
		note("%s", get(home("/other/x"), bearer(mine("TOKEN"))))
		note("%s", get(home("/other/x"), bearer(token)))
	},

	"Set-Cookie": func() {
		a := get(home("/auth/cookie"), bearer(mine("TOKEN")))
		cookie := a.header("Set-Cookie")
		pair, _, _ := strings.Cut(cookie, ";")
		note("a surrogate: %v", strings.HasPrefix(pair, "id=sp1"))
		note("to the drop: %s", get(drop("/"), [2]string{"Cookie", pair}))
		note("as a header: %s", get(home("/open/x"), [2]string{"X-Id", strings.TrimPrefix(pair, "id=")}))
		note("back: %s", get(home("/open/crumb"), [2]string{"Cookie", pair}))
		note("as a record: %d", record(cookie))
	},
	"a cookie that is the credential": func() {
		cookie := get(home("/auth/echo/cookie"), bearer(mine("TOKEN"))).header("Set-Cookie")
		pair, _, _ := strings.Cut(cookie, ";")
		note("elsewhere: %s", get(home("/open/x"), [2]string{"Cookie", pair}))
		note("as a record: %d", record(cookie))
	},
	"a source that drips": func() {
		h := request(head{Method: "GET", URL: home("/auth/drip"), Headers: [][2]string{bearer(mine("TOKEN"))}, Timeout: 300}, "")
		note("%s", finish(h))
	},
	"a source without an end": func() {
		h := request(head{Method: "GET", URL: home("/auth/head-drip"), Headers: [][2]string{bearer(mine("TOKEN"))}, Timeout: 300}, "")
		note("%s", finish(h))
	},
	"a head without an end": func() { note("%s", get(home("/auth/huge-head"), bearer(mine("TOKEN")))) },

	"a value made otherwise": func() {
		v, _ := named(reveal, "REVEALED")
		r := []byte(v)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		note("%s", do("POST", drop("/backwards"), string(r)))
		for i := range r {
			r[i] ^= 1
		}
		note("%s", do("POST", drop("/cipher"), string(r)))
		note("%s", do("POST", drop("/part"), v[:len(v)/2]))
	},
})

func visible(r rune) rune {
	if r < ' ' || r > '~' {
		return '.'
	}
	return r
}

func quoted(a answer, names ...string) string {
	var out []string
	for _, name := range names {
		if v := a.header(name); v != "" {
			out = append(out, v)
		}
	}
	b, _ := json.Marshal(out)
	return string(b)
}
