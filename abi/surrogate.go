package abi

// A surrogate stands for a credential in a guest: random, ASCII, made for one
// run and worthless outside it.
const (
	// SurrogatePrefix begins every surrogate.
	SurrogatePrefix = "sp1"
	// SurrogateLen is the length of every surrogate, in bytes.
	SurrogateLen = 40
	// SurrogateAlphabet is what follows the prefix is drawn from, so that a
	// surrogate passes unescaped through headers, URLs, JSON, forms and IMAP.
	SurrogateAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// IsSurrogate reports whether s has the shape of a surrogate:
// ^sp1[0-9A-Za-z]{37}$.
func IsSurrogate[T string | []byte](s T) bool {
	if len(s) != SurrogateLen || string(s[:len(SurrogatePrefix)]) != SurrogatePrefix {
		return false
	}
	for i := len(SurrogatePrefix); i < len(s); i++ {
		if !isAlnum(s[i]) {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
