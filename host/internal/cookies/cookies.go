// Package cookies keeps the cookies of a session, and writes them the way in
// which a vault keeps a session: as Playwright's storage state.
//
// # Promise
//
// A cookie goes to the hosts, paths and schemes that its source set it for,
// and to no other: matching is net/http/cookiejar's, with the public suffix
// list. What is read back is checked like what a source sends.
//
// A [Jar] is safe for concurrent use.
package cookies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// MaxCookies bounds a jar.
const MaxCookies = 256

// ErrState is what a stored session is that is not one.
var ErrState = errors.New("the stored session is not a storage state")

// Cookie is one cookie of a storage state, by Playwright's names.
type Cookie struct {
	Name     string  `json:"name"`
	Value    string  `json:"value"`
	Domain   string  `json:"domain"` // with a leading dot when subdomains get it too
	Path     string  `json:"path"`
	Expires  float64 `json:"expires"` // seconds since 1970; -1 for a session cookie
	HTTPOnly bool    `json:"httpOnly"`
	Secure   bool    `json:"secure"`
	SameSite string  `json:"sameSite"` // "Strict", "Lax" or "None"
}

// State is a storage state. Members that this version does not know are lost.
type State struct {
	Cookies []Cookie          `json:"cookies"`
	Origins []json.RawMessage `json:"origins"`
}

// Parse reads a storage state.
func Parse(text []byte) (State, error) {
	var s State
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return s, ErrState
	}
	if err := json.Unmarshal(text, &s); err != nil || len(s.Cookies) > MaxCookies {
		return s, ErrState
	}
	for _, c := range s.Cookies {
		if c.cookie().Valid() != nil || c.Domain == "" {
			return s, fmt.Errorf("%w: a cookie in it is not valid", ErrState)
		}
	}
	return s, nil
}

func (c Cookie) cookie() *http.Cookie {
	path := c.Path
	if path == "" {
		path = "/"
	}
	value := c.Value
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return &http.Cookie{Name: c.Name, Value: value, Quoted: value != c.Value, Path: path, Secure: c.Secure, HttpOnly: c.HTTPOnly}
}

// Values returns the cookies' values.
func (s State) Values() (values []string) {
	for _, c := range s.Cookies {
		values = append(values, c.Value)
	}
	return values
}

// Header returns the Cookie header for u, "" when no cookie goes there.
func (s State) Header(u *url.URL) string {
	j := NewJar()
	for _, c := range s.Cookies {
		set := c.cookie()
		host := strings.TrimPrefix(c.Domain, ".")
		if c.Domain != host {
			set.Domain = host
		}
		if c.Expires > 0 {
			set.Expires = time.Unix(int64(c.Expires), 0)
		}
		j.jar.SetCookies(&url.URL{Scheme: "https", Host: host, Path: "/"}, []*http.Cookie{set})
	}
	var parts []string
	for _, c := range j.jar.Cookies(u) {
		if c.Quoted {
			c.Value = `"` + c.Value + `"`
		}
		parts = append(parts, c.Name+"="+c.Value)
	}
	return strings.Join(parts, "; ")
}

// Jar collects the cookies that one session is made of.
type Jar struct {
	jar *cookiejar.Jar

	mu      sync.Mutex
	base    State // what was loaded
	all     []Cookie
	changes map[key]time.Time // when each cookie was last set or ended
}

// key is what makes two cookies one (RFC 6265 section 5.3).
type key struct{ name, domain, path string }

func (c Cookie) key() key { return key{c.Name, c.Domain, c.Path} }

// NewJar returns an empty jar.
func NewJar() *Jar {
	jar, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // never fails
	return &Jar{jar: jar, changes: map[key]time.Time{}}
}

// Load adds the cookies of a storage state, in place of those of their names.
func (j *Jar) Load(s State) {
	j.base = s
	for _, c := range s.Cookies {
		j.add(c)
	}
}

// Set takes a cookie that the answer to a request for u set. One that ends a
// cookie takes it away; past MaxCookies nothing is added. One for a domain that
// u's host does not lie in is not taken, nor one for a public suffix.
func (j *Jar) Set(u *url.URL, set *http.Cookie) {
	if !within(u.Hostname(), set.Domain) {
		return
	}
	c := Cookie{
		Name: set.Name, Value: set.Value, Domain: strings.ToLower(u.Hostname()), Path: set.Path, Expires: -1,
		HTTPOnly: set.HttpOnly, Secure: set.Secure, SameSite: sameSite(set.SameSite),
	}
	if set.Domain != "" {
		c.Domain = "." + strings.TrimPrefix(strings.ToLower(set.Domain), ".")
	}
	if !strings.HasPrefix(c.Path, "/") {
		c.Path = defaultPath(u.Path)
	}
	switch {
	case set.MaxAge > 0:
		c.Expires = float64(time.Now().Unix()) + float64(set.MaxAge)
	case !set.Expires.IsZero():
		c.Expires = float64(set.Expires.Unix())
	}
	if set.MaxAge < 0 {
		c.Value = ""
	}
	if set.Quoted && c.Value != "" {
		c.Value = `"` + c.Value + `"` // the quotes are a part of it (RFC 6265 section 5.2)
	}
	j.add(c)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes[c.key()] = time.Now()
}

// within reports whether an answer of host may set cookies for domain (RFC 6265
// section 5.3).
func within(host, domain string) bool {
	host, domain = strings.ToLower(host), strings.TrimPrefix(strings.ToLower(domain), ".")
	if domain == "" || domain == host {
		return true
	}
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix != domain && strings.HasSuffix(host, "."+domain)
}

func (j *Jar) add(c Cookie) {
	gone := c.Value == "" || c.Expires >= 0 && c.Expires <= float64(time.Now().Unix())
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = slices.DeleteFunc(j.all, func(o Cookie) bool { return o.key() == c.key() })
	if !gone && len(j.all) < MaxCookies {
		j.all = append(j.all, c)
	}
}

// State returns the jar as a storage state.
func (j *Jar) State() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, _ := json.Marshal(State{Cookies: slices.Clone(j.all), Origins: []json.RawMessage{}}) // strings and numbers: never fails
	return text
}

func sameSite(s http.SameSite) string {
	switch s {
	case http.SameSiteStrictMode:
		return "Strict"
	case http.SameSiteNoneMode:
		return "None"
	}
	return "Lax"
}

// defaultPath is RFC 6265 section 5.1.4.
func defaultPath(path string) string {
	i := strings.LastIndex(path, "/")
	if i <= 0 {
		return "/"
	}
	return path[:i]
}
