package guard

// sign stands for the five that base64url, forms and slugs exchange.
const sign = '+'

const signs = "+-/_ "

// canon maps a byte to its canonical character: lower case, one sign for five.
// It leaves CR, LF and NUL, which no pattern contains.
var canon = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c) + 'a' - 'A'
	}
	for _, c := range []byte(signs) {
		t[c] = sign
	}
	return t
}()

// The classes of bytes: those beyond ordinary can be read in another way than
// as themselves. A blank can only after a newline.
const (
	ordinary  uint8 = 0
	introduce uint8 = 1 << (iota - 1) // of an escape
	newline
	null
	blank
)

var class = [256]uint8{
	'%': introduce, '\\': introduce, '&': introduce, '=': introduce,
	'\r': newline, '\n': newline, 0: null,
}

var gaps = [256]uint8{'\r': newline, '\n': newline, 0: null, ' ': blank, '\t': blank}

// The roles of characters in escapes.
const (
	hexDigit uint16 = 1 << iota
	decDigit
	octDigit
	nameChar
	number
	semicolon
	braceOpen
	braceClose
	anyX
	anyU
	punctuation
	slash
)

var roles = func() (t [256]uint16) {
	for c := range t {
		switch kindOf(byte(c)) {
		case '0':
			t[c] = hexDigit | decDigit | nameChar
			if c < '8' {
				t[c] |= octDigit
			}
		case 'a', 'A':
			t[c] = nameChar
			if c|0x20 <= 'f' {
				t[c] |= hexDigit
			}
		case '!':
			if ' ' < c && c < 0x7f {
				t[c] = punctuation
			}
		}
	}
	for c, role := range map[byte]uint16{
		'#': number, ';': semicolon, '{': braceOpen, '}': braceClose, 'x': anyX, 'X': anyX, 'u': anyU, 'U': anyU, '\\': slash,
	} {
		t[c] |= role
	}
	return t
}()

// hexValues has the values of hexadecimal digits, and 0xff for what is none.
var hexValues = func() (t [256]uint8) {
	for c := range t {
		t[c] = 0xff
		if roles[c]&hexDigit != 0 {
			t[c] = unhex(byte(c))
		}
	}
	return t
}()

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// maxEntity is the longest name among entities.
const maxEntity = 16

// entities are the named character references of HTML for ASCII.
var entities = map[string]rune{
	"Tab": '\t', "NewLine": '\n', "excl": '!', "quot": '"', "QUOT": '"', "num": '#', "dollar": '$', "percnt": '%',
	"amp": '&', "AMP": '&', "apos": '\'', "lpar": '(', "rpar": ')', "ast": '*', "midast": '*', "plus": '+', "comma": ',',
	"period": '.', "sol": '/', "colon": ':', "semi": ';', "lt": '<', "LT": '<', "equals": '=', "gt": '>', "GT": '>',
	"quest": '?', "commat": '@', "lsqb": '[', "lbrack": '[', "bsol": '\\', "rsqb": ']', "rbrack": ']', "Hat": '^',
	"lowbar": '_', "UnderBar": '_', "grave": '`', "DiacriticalGrave": '`', "lcub": '{', "lbrace": '{', "verbar": '|',
	"vert": '|', "VerticalLine": '|', "rcub": '}', "rbrace": '}', "nbsp": ' ',
}

// strip returns value without what counts for nothing.
func strip(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for _, c := range value {
		if class[c]&(newline|null) == 0 {
			out = append(out, c)
		}
	}
	return out
}

// appendCanonical appends the canonical characters of value.
func appendCanonical(dst, value []byte) []byte {
	for _, c := range value {
		if class[c]&(newline|null) == 0 {
			dst = append(dst, canon[c])
		}
	}
	return dst
}
