// Package surrogate mints the tokens that stand for credentials in a guest,
// finds them in what the guest sends, and puts the values in.
//
// # Promise
//
// A value is put in where the caller's decision says, and nowhere else: a live
// surrogate at any other place is reported, not passed on. A token that only
// looks like a surrogate is plain text. Positions this version does not know
// are treated as "anywhere else".
package surrogate

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

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

// Resolve returns the value for a token at a position, or the refusal.
type Resolve func(token string, at manifests.Position) ([]byte, error)

// The ways in which a substitution fails on its own.
var (
	// ErrBadValue: the stored value cannot stand there, such as one with a
	// line break in a header.
	ErrBadValue = errors.New("the stored value cannot be sent in this position")
	// ErrPartial: in Basic authentication a surrogate is the whole user or
	// the whole password, or it does not belong there.
	ErrPartial = errors.New("a surrogate must be the whole user or the whole password in basic authentication")
)

// next returns the index in s, at or after from, of a live surrogate, or -1.
// Every place where one could begin is tried: a token may overlap a decoy.
func next(s string, from int, live Live) int {
	for {
		i := strings.Index(s[from:], abi.SurrogatePrefix)
		if i < 0 || from+i+abi.SurrogateLen > len(s) {
			return -1
		}
		i += from
		if token := s[i : i+abi.SurrogateLen]; abi.IsSurrogate(token) && live(token) {
			return i
		}
		from = i + 1
	}
}

// In returns the first live surrogate in s.
func In(s string, live Live) (token string, found bool) {
	i := next(s, 0, live)
	if i < 0 {
		return "", false
	}
	return s[i : i+abi.SurrogateLen], true
}

// Header puts values into one header's value. name is canonical.
func Header(name, value string, live Live, resolve Resolve) (string, error) {
	if scheme, credentials, ok := strings.Cut(value, " "); ok && name == "Authorization" && strings.EqualFold(scheme, "Basic") {
		if pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials)); err == nil {
			if _, found := In(string(pair), live); found {
				return basic(string(pair), live, resolve)
			}
		}
	}
	at := manifests.Position{Kind: manifests.AsHeader, Param: name}
	var b strings.Builder
	done := 0
	for i := next(value, 0, live); i >= 0; i = next(value, done, live) {
		secret, err := resolve(value[i:i+abi.SurrogateLen], at)
		if err != nil {
			return "", err
		}
		if !headerSafe(secret) {
			return "", ErrBadValue
		}
		b.WriteString(value[done:i])
		b.Write(secret)
		done = i + abi.SurrogateLen
	}
	if done == 0 {
		return value, nil
	}
	b.WriteString(value[done:])
	return b.String(), nil
}

func basic(pair string, live Live, resolve Resolve) (string, error) {
	user, password, ok := strings.Cut(pair, ":")
	if !ok {
		return "", ErrPartial
	}
	at := manifests.Position{Kind: manifests.AsBasic}
	put := func(part string) (string, error) {
		token, found := In(part, live)
		switch {
		case !found:
			return part, nil
		case token != part:
			return "", ErrPartial
		}
		secret, err := resolve(token, at)
		return string(secret), err
	}
	user, err := put(user)
	if err != nil {
		return "", err
	}
	if strings.Contains(user, ":") {
		return "", ErrBadValue
	}
	if password, err = put(password); err != nil {
		return "", err
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), nil
}

// headerSafe refuses what would end a header or is no field content (RFC 9110
// section 5.5).
func headerSafe(value []byte) bool {
	for _, c := range value {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Scanner finds live surrogates in a body that comes in chunks, also across
// their borders. It holds back no more than could be the start of one.
type Scanner struct {
	Live  Live
	Found string // the surrogate that Next found
	held  []byte
}

// Next takes a chunk and returns what may be passed on, which is valid until
// the next call. found stops the request.
func (s *Scanner) Next(chunk []byte) (pass []byte, found bool) {
	text := append(s.held, chunk...)
	if token, found := In(string(text), s.Live); found {
		s.Found = token
		return nil, true
	}
	keep := possibleStart(text)
	s.held = append([]byte(nil), text[len(text)-keep:]...)
	return text[:len(text)-keep], false
}

// Rest returns what was held back, at the end of the body.
func (s *Scanner) Rest() []byte { return s.held }

// possibleStart returns the length of the longest tail that may grow into a
// surrogate.
func possibleStart(text []byte) int {
	for n := min(len(text), abi.SurrogateLen-1); n > 0; n-- {
		if couldBegin(text[len(text)-n:]) {
			return n
		}
	}
	return 0
}

func couldBegin(tail []byte) bool {
	for i, c := range tail {
		if i < len(abi.SurrogatePrefix) {
			if c != abi.SurrogatePrefix[i] {
				return false
			}
		} else if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return true
}
