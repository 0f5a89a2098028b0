// Package storagestate reads and divides the cookies of a browser, in the form
// in which a vault keeps a session: Playwright's storage state.
//
// # Promise
//
// What is read holds cookies that have a name and a domain. No error holds a
// word of what was read.
//
// # Limits
//
// Members that are not known here are lost. Local storage is kept as it is.
package storagestate

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// The bounds of a state.
const (
	MaxBytes   = 16 << 20
	MaxCookies = 256 // of one session, as the host reads it
)

// ErrState is what a file is that is no storage state.
var ErrState = errors.New("it is not a Playwright storage state, which is {\"cookies\": […], \"origins\": […]}")

// Cookie is one cookie, by Playwright's names.
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

// Origin is the local storage of one origin.
type Origin struct {
	Origin       string          `json:"origin"`
	LocalStorage json.RawMessage `json:"localStorage"`
}

// State is what a browser keeps. It is secret: do not print it.
type State struct {
	Cookies []Cookie `json:"cookies"`
	Origins []Origin `json:"origins"`
}

// Looks reports whether text may be a storage state.
func Looks(text []byte) bool {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	return bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte(`"cookies"`))
}

// Parse reads a storage state.
func Parse(text []byte) (State, error) {
	var s State
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &s); err != nil || s.Cookies == nil {
		return State{}, ErrState
	}
	for _, c := range s.Cookies {
		if c.Name == "" || strings.Trim(c.Domain, ".") == "" {
			return State{}, ErrState
		}
	}
	return s, nil
}

// Of returns the part of s that belongs to sites, domains with all below them.
func (s State) Of(sites []string) State {
	part := State{Cookies: []Cookie{}, Origins: []Origin{}}
	for _, c := range s.Cookies {
		if within(c.Domain, sites) {
			part.Cookies = append(part.Cookies, c)
		}
	}
	for _, o := range s.Origins {
		if u, err := url.Parse(o.Origin); err == nil && within(u.Hostname(), sites) {
			part.Origins = append(part.Origins, o)
		}
	}
	return part
}

func within(domain string, sites []string) bool {
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	for _, site := range sites {
		if domain == site || strings.HasSuffix(domain, "."+site) {
			return true
		}
	}
	return false
}

// Text writes s as a vault keeps it.
func (s State) Text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, ErrState
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
