package mailwire

import (
	"bytes"

	"github.com/sallyport-host/sallyport/abi"
)

// login is one authentication on its way: which values it was given.
type login struct {
	command string   // for a refusal
	tokens  []string // each once
}

// given reports whether a value went into it.
func (l *login) given() bool { return len(l.tokens) > 0 }

// resolve returns the value of a token for this authentication, if values may
// go out at all.
func (w *wire) resolve(l *login, token string) ([]byte, error) {
	switch {
	case w.authenticated:
		return nil, w.refuse(l.command, "a credential was used again after the server had accepted one", "log in once on a stream")
	case !l.given() && w.logins >= MaxLogins:
		return nil, w.refuse(l.command, "the server has refused too many logins on this stream", "open another stream, with a credential that is right")
	}
	for _, t := range l.tokens {
		if t == token {
			return nil, w.refuse(l.command, "one surrogate stands in it twice", "put it where the secret goes, and the account's name where the name goes")
		}
	}
	value, err := w.Resolve(token)
	if err != nil {
		return nil, err
	}
	if !l.given() {
		w.logins++
	}
	l.tokens = append(l.tokens, token)
	w.given = true
	return value, nil
}

// whole returns text, or the value when text is a surrogate.
func (w *wire) whole(l *login, text []byte) ([]byte, error) {
	switch i := w.find(text); {
	case i < 0:
		return text, nil
	case len(text) != abi.SurrogateLen:
		return nil, w.refuse(l.command, "a surrogate stands in it together with other text", "give the surrogate alone")
	}
	value, err := w.resolve(l, string(text))
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(value, 0) >= 0 {
		return nil, w.badValue(l, "a NUL")
	}
	return value, nil
}

// badValue never says more than the kind of what stands in the way.
func (w *wire) badValue(l *login, what string) error {
	return w.refuse(l.command, "the stored value holds "+what+", which cannot be sent there", "enter the credential again")
}

// within returns text with its surrogates' values put in, each written by
// write.
func (w *wire) within(l *login, text []byte, write func(dst, value []byte) ([]byte, error)) ([]byte, error) {
	out := make([]byte, 0, len(text))
	for {
		i := w.find(text)
		if i < 0 {
			return appendWiped(out, text), nil
		}
		value, err := w.resolve(l, string(text[i:i+abi.SurrogateLen]))
		if err != nil {
			return nil, err
		}
		written, err := write(nil, value)
		if err != nil {
			clear(out)
			return nil, err
		}
		out = appendWiped(appendWiped(out, text[:i]), written)
		clear(written)
		text = text[i+abi.SurrogateLen:]
	}
}

// appendWiped is append that leaves nothing in the array it outgrows.
func appendWiped(dst, p []byte) []byte {
	if len(dst)+len(p) <= cap(dst) {
		return append(dst, p...)
	}
	out := append(append(make([]byte, 0, 2*(len(dst)+len(p))), dst...), p...)
	clear(dst)
	return out
}

// finished takes the server's word on an authentication.
func (w *wire) finished(l *login, said verdict) {
	switch {
	case said == accepted:
		w.authenticated = true
		if l.given() {
			w.Authenticated(true)
		}
	case said == refused && l.given():
		w.Authenticated(false)
	}
}

// verdict is what a server's answer says about the credentials.
type verdict int

const (
	nothing verdict = iota // it could not tell, or did not understand
	accepted
	refused
)
