package guard

import "bytes"

// Strength sorts values by how surely a match is no accident.
type Strength int

// The strengths of a value.
const (
	// None is not searched: fewer than 4 bytes, fewer than 6 digits and
	// nothing else, no letter or digit among fewer than 16 bytes, or one
	// character (or a long low-entropy text) over and over.
	None Strength = iota
	// Weak is searched raw, exact, as a whole token, and a hit stops.
	Weak
	// Strong is searched in all forms: at least 8 characters, 4 of them
	// different, and 40 bits by the estimate at [Rate].
	Strong
)

const (
	minWeak       = 4
	minWeakDigits = 6
	minSigns      = 16
	minDistinct   = 4
	// strongBits is what 16 random lower case letters come to, an app
	// password, and what a capitalised word with a digit and a sign does not.
	strongBits = 40
)

// String names the strength.
func (s Strength) String() string {
	switch s {
	case Strong:
		return "strong"
	case Weak:
		return "weak"
	}
	return "none"
}

// Rate estimates the strength of a value by what a reader would make of it: a
// lower case letter after another letter of its kind counts as 2.5 bits, as in
// a word, a digit after a digit as 3.3, every change of kind and every sign as
// 5, a byte of other scripts as 4, a character as before as 0.5. What repeats
// itself counts once. White space around a value does not count.
func Rate(value []byte) Strength {
	value = strip(trim(value))
	distinct, letters, digits := count(value)
	switch {
	case len(value) < minWeak, distinct < 2:
		return None
	case digits == len(value) && digits < minWeakDigits:
		return None
	case letters+digits == 0 && len(value) < minSigns:
		return None
	}
	once := value
	if p := period(value); 2*p <= len(value) {
		once = value[:p]
	}
	if len(value) >= MinForm && distinct >= minDistinct && entropy(once) >= strongBits {
		return Strong
	}
	if len(value) > MaxWeak {
		return None
	}
	return Weak
}

// trim drops what a file or a copy adds to a value.
func trim(value []byte) []byte { return bytes.Trim(value, " \t\r\n\x00") }

func count(value []byte) (distinct, letters, digits int) {
	var seen [256]bool
	for _, c := range value {
		if !seen[c] {
			seen[c] = true
			distinct++
		}
		switch kindOf(c) {
		case 'a', 'A', 0x80:
			letters++
		case '0':
			digits++
		}
	}
	return distinct, letters, digits
}

// kindOf returns a, A, 0, 0x80 (other scripts) or ! (all else).
func kindOf(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z':
		return 'a'
	case 'A' <= c && c <= 'Z':
		return 'A'
	case '0' <= c && c <= '9':
		return '0'
	case c >= 0x80:
		return 0x80
	}
	return '!'
}

func entropy(value []byte) float64 {
	sum := 0.0
	for i, c := range value {
		kind := kindOf(c)
		switch {
		case i > 0 && c == value[i-1]:
			sum += 0.5
		case kind == 0x80:
			sum += 4
		case kind == '!' || i == 0 || kind != kindOf(value[i-1]):
			sum += 5
		case kind == '0':
			sum += 3.3
		default:
			sum += 2.5
		}
	}
	return sum
}

// period returns the least p such that value is its first p bytes, repeated
// (the last time perhaps in part).
func period(value []byte) int {
	border := make([]int, len(value)+1) // border[i]: the longest of value[:i]
	border[0] = -1
	for i, k := 0, -1; i < len(value); {
		for k >= 0 && value[i] != value[k] {
			k = border[k]
		}
		i++
		k++
		border[i] = k
	}
	return len(value) - border[len(value)]
}
