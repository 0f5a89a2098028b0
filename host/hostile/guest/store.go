//go:build wasip1 && store

package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

//go:wasmimport sallyport:credential-store/v1 put
func put(p, n, vp, vn, mp, mn uint32) int64

func stored(name, token string) int64 {
	p, n := in(name)
	vp, vn := in(token)
	return put(p, n, vp, vn, 0, 0)
}

func minted(path string) string {
	a := do("POST", home(path), "", bearer(mine("TOKEN")))
	var doc struct{ Token string }
	_ = json.Unmarshal([]byte(a.body), &doc)
	if !strings.HasPrefix(doc.Token, "sp1") {
		note("not a surrogate")
	}
	return doc.Token
}

// Tricks of one that may store: the role bootstrap.
var _ = add(map[string]func(){
	"put: what is meant": func() { note("%d", stored("MINTED", minted("/auth/mint"))) },
	"put: used before it is promoted": func() {
		t := minted("/auth/mint")
		note("%d", stored("MINTED", t))
		_, r := named(use, "MINTED")
		note("use %d", r)
		note("as another: %s", get(home("/other/x"), [2]string{"Authorization", t}))
	},
	"put: many, and the first told again": func() {
		minted("/auth/mint")
		for i := range 40 {
			minted(fmt.Sprint("/auth/mint?n=", i))
		}
		a := get(home("/open/minted"))
		note("%s", a)
		note("%d", record(a.String()))
	},
	"put: another credential's surrogate": func() {
		note("%d %d %d", stored("MINTED", mine("TOKEN")), stored("MINTED", surrogate("REVEALED")), stored("TOKEN", seen["TOKEN"]))
	},
	"put: a password's surrogate": func() {
		token, r := named(use, "PASSWORD")
		note("%d %d", r, stored("MINTED", token))
	},
	"put: a value": func() {
		v, _ := named(reveal, "REVEALED")
		note("%d", stored("MINTED", v))
	},
	"put: anything": func() {
		note("%d %d %d", stored("MINTED", "hello-hello-hello-1"), stored("MINTED", ""), stored("MINTED", "sp1"+strings.Repeat("B", 37)))
	},
	"put: under another name": func() {
		t := minted("/auth/mint")
		note("%d %d %d", stored("TOKEN", t), stored("PASSWORD", t), stored("UNDECLARED", t))
	},
	"put: a captured value told": func() {
		t := minted("/auth/mint")
		note("%d", record(t))
		note("%s", get(drop("/"), bearer(t)))
		note("%s", get(home("/open/x"), bearer(t)))
		note("%s", get(home("/open/minted")))
	},
	"put: what was captured is echoed elsewhere": func() {
		minted("/auth/mint")
		note("%s", get(drop("/minted")))
	},
	"put: in a header and twice": func() {
		a := do("POST", home("/auth/mint-twice"), "", bearer(mine("TOKEN")))
		note("%s %d", fmt.Sprint(strings.Count(a.body, "sp1")), a.status)
	},
	"put: another credential's value, captured": func() {
		a := do("POST", home("/auth/wash"), "", bearer(mine("TOKEN")))
		var doc struct{ Laundry string }
		_ = json.Unmarshal([]byte(a.body), &doc)
		note("%s %v", a, doc.Laundry == seen["TOKEN"])
		note("%s", get(drop("/laundry/x"), [2]string{"Authorization", doc.Laundry}))
		note("%d", stored("LAUNDRY", doc.Laundry))
	},
	"put: a login": func() {
		a := login("/login")
		sid := strings.TrimPrefix(a.header("Set-Cookie"), "sid=")
		sid, _, _ = strings.Cut(sid, ";")
		note("%d %d", a.status, stored("SESSION", sid))
		note("%d %d", stored("SESSION", seen["PASSWORD"]), stored("PASSWORD", sid))
	},
	"put: a password, captured as a session": func() {
		a := login("/login?wash")
		sid := strings.TrimPrefix(a.header("Set-Cookie"), "sid=")
		sid, _, _ = strings.Cut(sid, ";")
		note("%d %s", a.status, a.failed)
		note("%d", stored("SESSION", sid))
	},
	"put: no JSON": func() { note("%s", do("POST", home("/auth/mint-html"), "", bearer(mine("TOKEN")))) },
})

func login(path string) answer {
	return do("POST", home(path), "password="+mine("PASSWORD"), [2]string{"Content-Type", "application/x-www-form-urlencoded"})
}
