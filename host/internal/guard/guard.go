// Package guard finds the values of credentials in text, however they are
// written, and takes them out.
//
// # Promise
//
// A text is read as a source or a guest may have written it: raw; in any
// letter case; as base64 or base64url at each of its three offsets, padded or
// not; as hex, with or without a separator after each byte; as UTF-16 or UTF-32; wrapped at any
// place by CR or LF and indented; with any of its characters spelled as a
// percent escape, a JSON or JavaScript escape, an HTML entity or
// quoted-printable; and in escapes of escapes, [MaxDepth] deep, each character
// in a way of its own. An escape is read both ways, as what it stands for and
// as what it is, so that no reading hides another. Some twice-encoded forms
// are searched for as well: base64 of base64, of hex, of UTF-16, of the
// value's JSON, HTML and percent spelling; hex of base64 and of UTF-16.
//
// Chunk borders do not matter: a [Stream] gives out the same bytes and hits
// however its text was cut. It holds back only what may be the beginning of a
// value, so that a protocol that waits for an answer is not stalled.
//
// Case is a form, in base64 too: there, as everywhere, letters compare without
// case. So that base64url, form encoding and words joined by another sign need
// no forms of their own, the five signs '+', '-', '/', '_' and space count as
// one, and CR, LF and NUL count for nothing.
//
// # Replacement
//
// What takes a value's place is written as the value was: in base64 at the same
// offset and with as many bytes modulo three, in hex with the same separator,
// in UTF-16 or UTF-32 with the same NULs, and in these of each other. So whoever
// decodes the text around it finds that as it was. Escapes and line breaks of
// the value go: ASCII stands for itself in all of them.
//
// # Strength
//
// A short value is found where it is not. [Rate] sorts values: a [Strong] one
// is searched in all forms, a false match is out of the question in practice,
// and a hit is replaced, unless its owner says stop. A [Weak] one (a
// dictionary word, a date, a short number) is searched raw, exact, as a whole
// token, and a hit stops the run: to replace it would spoil records at every
// false match and show a guest what it guessed. A value of strength [None] is
// not searched at all: a four-digit PIN is in every text, and stops would tell
// it to whoever counts up to it.
//
// # Limits
//
// A part of a value is not the value, and neither is an encryption, a
// compression or a reversal of it; decompress first. Base64 is found by the
// characters that the value alone determines, and those are replaced: of its
// first and last byte up to four bits stay, in a character before and one behind
// what takes its place. Derived forms that come to fewer
// than [MinForm] characters are left out, and of a value of more than
// [MaxDerived] bytes all but raw, base64 and hex. In one occurrence, lines are
// indented by at most [MaxGap] bytes. Where two values overlap in base64, the
// text behind may no longer decode. A text on which the search
// would take forever, because it was made for that, is taken for a hit.
//
// # Concurrency
//
// A [Set] never changes and is safe for concurrent use. A [Stream] is for one
// goroutine.
package guard

import (
	"bytes"
	"slices"
	"sync/atomic"
)

// Bounds of the search.
const (
	// MaxDepth is how many escapes deep a character may be spelled.
	MaxDepth = 3
	// MinForm is the fewest characters of a form that is searched for.
	MinForm = 8
	// MaxWeak is the most bytes of a value that is searched as a token.
	MaxWeak = 64
	// MaxDerived is the most bytes of a value whose twice-encoded and
	// separated forms are searched for.
	MaxDerived = 4 << 10
	// MaxGap is the most bytes of line breaks, indentation or NULs that are
	// read as one gap, and maxGaps how many may follow each other.
	MaxGap  = 128
	maxGaps = 32
	// maxWithin is how many may be within an escape, before each character.
	maxWithin = 5
	// stretch and stretchBase bound the text that one occurrence of a form
	// may take: so many bytes per character of it, and as many again.
	stretch     = 1 << 10
	stretchBase = 4 << 10
	// effort and effortBase bound the steps of one search: so many for each
	// byte, and as many again.
	effort     = 256
	effortBase = 1 << 20
)

// FormExcess is the form of a hit that is none: the search was given up.
const FormExcess = "too much effort"

// Secret is one live value.
type Secret struct {
	// Name is the credential's.
	Name string
	// Value is copied.
	Value []byte
	// Stop says that a hit stops the run and is never replaced (class 3).
	// A Weak value stops it whatever this says.
	Stop bool
}

// Hit is one occurrence of a value. It holds none of the text.
type Hit struct {
	// Secret is the index into what was given to [New].
	Secret int
	Name   string
	// Form says in words how the value was written.
	Form string
	// Start and End are byte offsets in the text, or from the beginning of
	// the stream. Where occurrences overlap they span all of them, and the
	// rest tells of the longest.
	Start, End int
	// Stop says that it must stop the run.
	Stop bool

	pattern int32 // -1 is a weak value
}

// Set is a compiled set of secrets. The zero value and nil are empty.
type Set struct {
	patterns []pattern
	weak     []weak
	filter   filter
	// first has the newest pattern by its first character, as 1 more than its
	// index; each has the next.
	first [256]int32
	// count is how many secrets there were, gone those that are no more.
	count int
	gone  []bool
	*shared
	// extended is set when what is behind patterns and filter.refs is another
	// set's.
	extended *atomic.Bool
}

// pattern is one form of a Strong value in canonical characters.
type pattern struct {
	text   string
	secret int
	name   string
	form   string
	// escaped is form when it was not written plainly.
	escaped string
	// layers say how the form is written.
	layers []layer
	stop   bool
	next   int32 // by first character
}

// weak is one Weak value.
type weak struct {
	value  []byte
	secret int
	name   string
}

// New compiles secrets. Those of strength [None] are left out.
func New(secrets []Secret) *Set {
	s := &Set{filter: filter{window: maxWindow}, shared: &shared{}, extended: new(atomic.Bool)}
	s.add(secrets)
	return s
}

// With returns the set with one more secret, whose index is the number of those
// that there were before. It costs far less than to compile all anew.
func (s *Set) With(secret Secret) *Set {
	if s == nil || s.shared == nil {
		return New([]Secret{secret})
	}
	more := *s
	if more.extended = new(atomic.Bool); !s.extended.CompareAndSwap(false, true) {
		more.patterns, more.filter.refs, more.weak = slices.Clip(s.patterns), slices.Clip(s.filter.refs), slices.Clip(s.weak)
	}
	more.add([]Secret{secret})
	return &more
}

// Without returns the set that does not look for one of its secrets. The others
// keep their indices. What it held stays in memory until the set is compiled
// anew.
func (s *Set) Without(secret int) *Set {
	less := *s
	less.extended = new(atomic.Bool)
	less.patterns, less.filter.refs, less.weak = slices.Clip(s.patterns), slices.Clip(s.filter.refs), slices.Clip(s.weak)
	less.gone = make([]bool, s.count)
	copy(less.gone, s.gone)
	less.gone[secret] = true
	return &less
}

// add adds secrets to a set that nobody else has yet.
func (s *Set) add(secrets []Secret) {
	var fresh []pattern
	for _, secret := range secrets {
		switch value := trim(secret.Value); Rate(value) {
		case Weak:
			s.weak = append(s.weak, weak{value: bytes.Clone(value), secret: s.count, name: secret.Name})
		case Strong:
			fresh = s.compile(fresh, secret, value)
		}
		s.count++
	}
	if len(fresh) == 0 {
		return
	}
	for _, p := range fresh {
		s.filter.narrow(len(p.text))
	}
	old := len(s.filter.refs)
	for _, p := range fresh {
		at := int32(len(s.patterns))
		first := &s.first[p.text[0]]
		p.next, *first = *first, at+1
		s.patterns = append(s.patterns, p)
		s.filter.add(p.text, at)
	}
	s.filter.index(old)
}

// compile appends the forms of a value, each once.
func (s *Set) compile(fresh []pattern, secret Secret, value []byte) []pattern {
	known := make(map[string]bool, 64)
	for _, f := range forms(value) {
		if len(f.text) < MinForm || known[f.text] {
			continue
		}
		known[f.text] = true
		fresh = append(fresh, pattern{
			text: f.text, secret: s.count, name: secret.Name, stop: secret.Stop,
			form: f.name, escaped: f.name + ", escaped", layers: f.layers,
		})
	}
	return fresh
}

// lives reports whether a secret is still looked for.
func (s *Set) lives(secret int) bool { return secret >= len(s.gone) || !s.gone[secret] }

// Empty reports whether there is nothing to search for.
func (s *Set) Empty() bool {
	return s == nil || len(s.patterns) == 0 && len(s.weak) == 0
}

// Find returns the first hit in a whole text.
func (s *Set) Find(text []byte) (Hit, bool) {
	if s.Empty() {
		return Hit{}, false
	}
	sc := s.borrow(text)
	defer s.giveBack(sc)
	sc.run()
	if h, _, ok := sc.next(0); ok {
		return h, true
	}
	return Hit{}, false
}

// Scrub appends a whole text to dst, with what put returns in place of each
// hit, and counts the hits replaced. A hit that stops ends it: what was before
// the hit is appended, nothing after. With a nil put every hit stops. dst and
// text must not overlap.
func (s *Set) Scrub(dst, text []byte, put func(Hit) []byte) (out []byte, hits int, stop *Hit) {
	if s.Empty() {
		return append(dst, text...), 0, nil
	}
	sc := s.borrow(text)
	defer s.giveBack(sc)
	sc.run()
	out, _, hits, stop = sc.emit(dst, 0, put)
	return out, hits, stop
}
