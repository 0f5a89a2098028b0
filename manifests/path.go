package manifests

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
)

// ErrPath is wrapped by every error of [CheckPath]. None quotes the path.
var ErrPath = errors.New("not a path with one reading")

type pathError string

func (e pathError) Error() string        { return "the path " + string(e) }
func (e pathError) Is(target error) bool { return target == ErrPath }

// CheckPath refuses a path that could be read in two ways, by us and by the
// server: one with a segment "." or ".." (also escaped, also before a ";"), an
// empty segment, an escaped slash, backslash or control character, escaped
// once or twice, an invalid escape, escapes that are not UTF-8, or a character
// that has to be escaped. It is on the path of every request and allocates
// nothing.
func CheckPath(escapedPath string) error {
	if escapedPath == "" || escapedPath[0] != '/' {
		return pathError(`does not begin with "/"`)
	}
	if len(escapedPath) > abi.MaxURLBytes {
		return pathError("is too long")
	}
	for at := 1; at <= len(escapedPath); {
		segment, next := segmentAt(escapedPath, at)
		if segment == "" && next <= len(escapedPath) {
			return pathError(`has an empty segment ("//")`)
		}
		if err := checkSegment(segment); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// segmentAt returns the segment of path that begins at index at, and where
// the next one begins: past len(path) when there is none.
func segmentAt(path string, at int) (segment string, next int) {
	if n := strings.IndexByte(path[at:], '/'); n >= 0 {
		return path[at : at+n], at + n + 1
	}
	return path[at:], len(path) + 1
}

func checkSegment(segment string) error {
	var (
		dots   int // leading dots, as decoded
		isDots = true
		rune4  [utf8.UTFMax]byte
		held   int // bytes of rune4 that wait for the rest of their rune
	)
	for i := 0; i < len(segment); {
		c, n, err := decodeAt(segment, i)
		if err != nil {
			return err
		}
		i += n
		switch {
		case isDots && c == '.':
			dots++
		case isDots && c == ';' && (dots == 1 || dots == 2):
			return pathError(`has a segment "." or ".."`)
		default:
			isDots = false
		}
		if c < utf8.RuneSelf && held == 0 {
			continue
		}
		rune4[held] = c
		held++
		if !utf8.FullRune(rune4[:held]) {
			continue
		}
		if r, size := utf8.DecodeRune(rune4[:held]); size != held || r == utf8.RuneError && size == 1 || unicode.IsControl(r) {
			return pathError("has escapes that are not UTF-8 text")
		}
		held = 0
	}
	if held > 0 {
		return pathError("has escapes that are not UTF-8 text")
	}
	if isDots && (dots == 1 || dots == 2) {
		return pathError(`has a segment "." or ".."`)
	}
	return nil
}

// decodeAt returns the byte that segment[i:] begins with and how many
// characters stand for it.
func decodeAt(segment string, i int) (c byte, n int, err error) {
	c = segment[i]
	if c != '%' {
		if !isPathChar(c) {
			return 0, 0, pathError("has a character that must be escaped")
		}
		return c, 1, nil
	}
	c, ok := unescapeAt(segment, i)
	if !ok {
		return 0, 0, pathError("has an invalid escape")
	}
	if isTwoFaced(c) {
		return 0, 0, pathError("has an escaped slash, backslash or control character")
	}
	if c == '%' && escapedAgain(segment, i+3) {
		return 0, 0, pathError("has an escape that is escaped again")
	}
	return c, 3, nil
}

// escapedAgain reports whether what follows an escaped "%" at i makes an
// escape of it for a server that decodes twice, of something with two faces.
// Its digits may be escaped themselves.
func escapedAgain(segment string, i int) bool {
	var digits [2]byte
	for k := range digits {
		if i >= len(segment) {
			return false
		}
		digits[k], i = decodeByte(segment, i)
	}
	high, ok1 := unhex(digits[0])
	low, ok2 := unhex(digits[1])
	again := high<<4 | low
	return ok1 && ok2 && (isTwoFaced(again) || again == '.' || again == '%')
}

func isTwoFaced(c byte) bool { return c == '/' || c == '\\' || c < 0x20 || c == 0x7f }

// unescapeAt decodes the two digits after s[i].
func unescapeAt(s string, i int) (c byte, ok bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	high, ok1 := unhex(s[i+1])
	low, ok2 := unhex(s[i+2])
	return high<<4 | low, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// isPathChar reports whether c stands for itself in a segment: pchar of RFC
// 3986, and the brackets that net/url leaves as they are.
func isPathChar(c byte) bool {
	return isAlnum(c) || strings.IndexByte("-._~!$&'()*+,;=:@[]", c) >= 0
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// checkPattern checks a path pattern: a path that [CheckPath] accepts, in
// which "*" and "**" are whole segments.
func checkPattern(pattern string) error {
	if err := CheckPath(pattern); err != nil {
		return err
	}
	last := ""
	for segment := range strings.SplitSeq(pattern[1:], "/") {
		if strings.IndexByte(segment, '*') >= 0 && segment != "*" && segment != "**" {
			return pathError(`has a "*" that is not a whole segment (a literal one is %2A)`)
		}
		if segment == "**" && last == "**" {
			return pathError(`has "**" twice in a row`)
		}
		last = segment
	}
	return nil
}

// MatchPath reports whether one of the patterns covers an escaped path that
// passed [CheckPath]: "*" is one segment that is not empty, "**" any number of
// them, none included. Segments are compared as decoded, so that no spelling
// of a path escapes a rule. It allocates nothing.
func MatchPath(patterns []string, escapedPath string) bool {
	for _, pattern := range patterns {
		if matchPattern(pattern, escapedPath) {
			return true
		}
	}
	return false
}

// matchPattern goes back to the last "**" only, which is enough: time is at
// most the product of the lengths.
func matchPattern(pattern, path string) bool {
	if pattern == "" || pattern[0] != '/' || path == "" || path[0] != '/' {
		return false
	}
	p, s := 1, 1
	afterStars, retry := 0, 0
	for s <= len(path) {
		segment, sNext := segmentAt(path, s)
		if p <= len(pattern) {
			want, pNext := segmentAt(pattern, p)
			if want == "**" {
				p, afterStars, retry = pNext, pNext, s
				continue
			}
			if want == "*" && segment != "" || want != "*" && sameSegment(want, segment) {
				p, s = pNext, sNext
				continue
			}
		}
		if afterStars == 0 {
			return false
		}
		_, retry = segmentAt(path, retry)
		p, s = afterStars, retry
	}
	for p <= len(pattern) {
		want, pNext := segmentAt(pattern, p)
		if want != "**" {
			return false
		}
		p = pNext
	}
	return true
}

// matchLoosely matches for a rule that denies: also what a server may take for
// the same path. It leaves out what follows a ";" in a segment and one slash
// at the end, and decodes as often as there is something to decode.
func matchLoosely(patterns []string, escapedPath string) bool {
	if MatchPath(patterns, escapedPath) {
		return true
	}
	segments := strings.Split(escapedPath, "/")
	for i, s := range segments {
		for strings.Contains(s, "%") {
			plain := decodeSegment(s)
			if plain == s {
				break
			}
			s = plain
		}
		segments[i], _, _ = strings.Cut(s, ";")
	}
	if n := len(segments); n > 2 && segments[n-1] == "" {
		segments = segments[:n-1]
	}
	return MatchPath(patterns, strings.Join(segments, "/"))
}

func decodeSegment(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		var c byte
		c, i = decodeByte(s, i)
		out = append(out, c)
	}
	return string(out)
}

// sameSegment compares two segments as decoded.
func sameSegment(a, b string) bool {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		var x, y byte
		x, i = decodeByte(a, i)
		y, j = decodeByte(b, j)
		if x != y {
			return false
		}
	}
	return i == len(a) && j == len(b)
}

func decodeByte(s string, i int) (c byte, next int) {
	if s[i] == '%' {
		if c, ok := unescapeAt(s, i); ok {
			return c, i + 3
		}
	}
	return s[i], i + 1
}
