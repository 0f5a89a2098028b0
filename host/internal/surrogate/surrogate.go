// Package surrogate mints the tokens that stand for credentials in a guest,
// finds them in what the guest sends over HTTP, and puts the values in.
//
// # Promise
//
// A value is put in where the caller's decision says, encoded for that place,
// and nowhere else. A live surrogate at any other place is a [PlaceError] that
// names the place; it is not passed on. What is not a surrogate stays
// byte-identical, and no value changes the structure of what surrounds it: one
// that would is a [ValueError]. No error holds a value or a URL.
//
// # Places
//
//	header:NAME    anywhere in the header's value
//	basic          the whole user or the whole password of Authorization: Basic
//	cookie         in a cookie's value; or a whole part of Cookie, whose stored
//	               value is then itself "a=1; b=2"
//	query:KEY      in the value of a key, as decoded; each of several
//	path           in a segment of the path
//	form:FIELD     in the value of a field of an application/x-www-form-urlencoded
//	               or multipart/form-data body
//	json:/POINTER  in a string of an application/json or +json body, in which
//	               each member on the way to it is named once
//	url            the whole URL: the token alone, or https://TOKEN with or
//	               without a slash behind it, as client libraries insist on a scheme
//
// In the address, in forms and in JSON the decoded text decides: "%73p1…" and
// "\u0073p1…" are surrogates. Elsewhere an encoded surrogate is plain text: it
// is worthless to whoever receives it. So is a token that only looks like one.
//
// # Paths
//
// What rules are matched against is the path with the surrogates in place,
// one that no manifest can name: only "*" and "**" cover their segments.
// A value stays within its segment and is never empty, so that what matched
// before it was put in matches after. A rule that denies may cover the filled
// path only: ask the egress rules for [Filled.Target] too.
//
// # Methods
//
// A query, a form or a JSON text that names a method ("_method"), as which many
// a source would then read the request, is [ErrMethod]: what is decided is the
// method that is sent. [NamesMethod] tells the headers that do it.
//
// # Limits
//
// Bodies are rewritten as they pass, in memory bounded by [MaxHeldBytes]
// whatever their size. A request has at most [MaxPlaces] surrogates in its head
// and as many in its body. Positions of mail and browsers are not handled here.
//
// # Concurrency
//
// Functions are safe for concurrent use. A [Draft], a [Filled], a [Body] and a
// [Scanner] belong to one goroutine at a time.
package surrogate

import (
	"bytes"
	"crypto/rand"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// MaxPlaces bounds the surrogates in a request's head, and those in its body:
// a body of nothing else would grow a thousandfold.
const MaxPlaces = 64

// Mint returns a fresh surrogate: 37 characters of 62, some 220 bits.
func Mint() string {
	const unbiased = 256 - 256%len(abi.SurrogateAlphabet)
	out := append(make([]byte, 0, abi.SurrogateLen), abi.SurrogatePrefix...)
	var random [64]byte
	for {
		_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the process instead
		for _, c := range random {
			if int(c) < unbiased {
				out = append(out, abi.SurrogateAlphabet[int(c)%len(abi.SurrogateAlphabet)])
			}
			if len(out) == abi.SurrogateLen {
				return string(out)
			}
		}
	}
}

// Live reports whether a token of the right shape is one of this run's.
type Live func(token string) bool

// Resolve decides whether the value of a live token may go to target at a
// position, and returns it, or the refusal, which is passed on as it is. The
// value is copied and not kept. Where the path holds surrogates, target's has
// them in place.
type Resolve func(token string, at manifests.Position, target manifests.Target) ([]byte, error)

// next returns the index in s, at or after from, of a live surrogate, or -1.
// Every place where one could begin is tried: a token may overlap a decoy.
func next(s []byte, from int, live Live) int {
	for {
		i := bytes.Index(s[from:], []byte(abi.SurrogatePrefix))
		if i < 0 || from+i+abi.SurrogateLen > len(s) {
			return -1
		}
		i += from
		if token := s[i : i+abi.SurrogateLen]; abi.IsSurrogate(token) && live(string(token)) {
			return i
		}
		from = i + 1
	}
}

// In returns the first live surrogate in s.
func In(s string, live Live) (token string, found bool) {
	i := next([]byte(s), 0, live)
	if i < 0 {
		return "", false
	}
	return s[i : i+abi.SurrogateLen], true
}

// couldBegin reports whether tail, shorter than a surrogate, may grow into
// one.
func couldBegin(tail []byte) bool {
	for i, c := range tail {
		if !fits(i, c) {
			return false
		}
	}
	return true
}

// fits reports whether c may stand at index i of a surrogate.
func fits(i int, c byte) bool {
	if i < len(abi.SurrogatePrefix) {
		return c == abi.SurrogatePrefix[i]
	}
	return isAlnum(c)
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
