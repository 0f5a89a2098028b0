package mailwire

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// maxMechanism bounds a mechanism's name (RFC 4422 section 3.1).
const maxMechanism = 20

// sasl is one exchange of an authentication command (RFC 4422), the same in
// both protocols. Its responses are lines of base64.
type sasl struct {
	login
	mechanism string
	// fillers put values into the responses to come, each into one. What
	// comes after them may hold none.
	fillers []filler
}

// filler returns a response with its values put in.
type filler func(w *wire, l *login, text []byte) ([]byte, error)

// fillersOf names the mechanisms into which values are put.
var fillersOf = map[string][]filler{
	"PLAIN":       {fillPlain},
	"LOGIN":       {fillWhole, fillWhole},
	"XOAUTH2":     {fillXOAuth2},
	"OAUTHBEARER": {fillBearer},
}

// blinding reports whether a mechanism may put a layer of its own over what
// follows.
func blinding(mechanism string) bool {
	switch mechanism {
	case "GSSAPI", "GSS-SPNEGO", "DIGEST-MD5", "KERBEROS_V4", "NTLM", "SRP", "PASSDSS-3DES-1", "9798-U-DSA-SHA1", "SKEY":
		return true
	}
	return strings.HasPrefix(mechanism, "GS2-") || strings.HasPrefix(mechanism, "SRP-")
}

// startSASL reads "mechanism" or "mechanism response" and returns the line to
// send in its place.
func (w *wire) startSASL(command string, args []byte) (*sasl, []byte, error) {
	name, initial, has := bytes.Cut(args, []byte{' '})
	x := &sasl{mechanism: strings.ToUpper(string(name)), login: login{command: command}}
	if !validMechanism(name) {
		return nil, nil, w.refuse(command, "its mechanism cannot be read", "write its name after one space")
	}
	if blinding(x.mechanism) {
		return nil, nil, w.refuse(command, "the mechanism "+x.mechanism+" may encrypt what follows", "use PLAIN, XOAUTH2 or OAUTHBEARER")
	}
	x.fillers = fillersOf[x.mechanism]
	if !has {
		return x, []byte(x.mechanism), nil
	}
	response, err := w.respond(x, initial)
	if err != nil {
		return nil, nil, err
	}
	line := append(append(make([]byte, 0, len(name)+1+len(response)), x.mechanism...), ' ')
	line = append(line, response...)
	if x.given() {
		clear(response)
	}
	return x, line, nil
}

func validMechanism(name []byte) bool {
	if len(name) == 0 || len(name) > maxMechanism {
		return false
	}
	for _, c := range name {
		if !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// respond returns the line to send for one of the guest's: "" and "=" are
// empty, "*" gives up.
func (w *wire) respond(x *sasl, line []byte) ([]byte, error) {
	if w.holdsSurrogate(line) {
		return nil, w.refuse(x.command, "a surrogate stands in it as it is", "encode the response in base64")
	}
	switch string(line) {
	case "", "=", "*":
		return line, nil
	}
	text, err := base64.StdEncoding.DecodeString(string(line))
	if err != nil {
		return nil, w.refuse(x.command, "a response is not base64", "encode it, with padding")
	}
	if err := w.CheckOut(text); err != nil {
		return nil, err
	}
	var fill filler
	if len(x.fillers) > 0 {
		fill, x.fillers = x.fillers[0], x.fillers[1:]
	}
	if !w.holdsSurrogate(text) {
		return line, nil
	}
	if fill == nil {
		return nil, w.refuse(x.command, "a surrogate stands in a response of "+x.mechanism+" that takes none", "use PLAIN, LOGIN, XOAUTH2 or OAUTHBEARER")
	}
	filled, err := fill(w, &x.login, text)
	if err != nil {
		return nil, err
	}
	out := make([]byte, base64.StdEncoding.EncodedLen(len(filled)))
	base64.StdEncoding.Encode(out, filled)
	clear(filled)
	return out, nil
}

// fillPlain fills authzid NUL authcid NUL password (RFC 4616).
func fillPlain(w *wire, l *login, text []byte) ([]byte, error) {
	parts := bytes.Split(text, []byte{0})
	if len(parts) != 3 {
		return nil, w.refuse(l.command, "a response of PLAIN has three parts", "separate them by NUL")
	}
	var out []byte
	for i, part := range parts {
		filled, err := w.whole(l, part)
		if err != nil {
			clear(out)
			return nil, err
		}
		if i > 0 {
			out = appendWiped(out, []byte{0})
		}
		out = appendWiped(out, filled)
	}
	return out, nil
}

// fillWhole fills an answer to one of LOGIN's prompts.
func fillWhole(w *wire, l *login, text []byte) ([]byte, error) {
	value, err := w.whole(l, text)
	return bytes.Clone(value), err
}

// fillXOAuth2 fills user=NAME ^A auth=Bearer TOKEN ^A ^A.
func fillXOAuth2(w *wire, l *login, text []byte) ([]byte, error) {
	return fillFields(w, l, text, func(_ int, field []byte) fieldKind {
		switch {
		case bytes.HasPrefix(field, []byte("user=")), bytes.HasPrefix(field, []byte("auth=")):
			return plainField
		}
		return noField
	})
}

// fillBearer fills n,a=NAME, ^A host=… ^A auth=Bearer TOKEN ^A ^A (RFC 7628).
func fillBearer(w *wire, l *login, text []byte) ([]byte, error) {
	return fillFields(w, l, text, func(i int, field []byte) fieldKind {
		switch {
		case i == 0:
			return nameField
		case bytes.HasPrefix(field, []byte("auth=")):
			return plainField
		}
		return noField
	})
}

// fieldKind says how a value is written into a field.
type fieldKind int

const (
	noField    fieldKind = iota // no value goes there
	plainField                  // as it is
	nameField                   // "=" and "," escaped (RFC 5801 section 4)
)

// fillFields fills fields that end with ^A each.
func fillFields(w *wire, l *login, text []byte, kind func(i int, field []byte) fieldKind) ([]byte, error) {
	var out []byte
	for i, field := range bytes.Split(text, []byte{1}) {
		if i > 0 {
			out = appendWiped(out, []byte{1})
		}
		if !w.holdsSurrogate(field) {
			out = appendWiped(out, field)
			continue
		}
		k := kind(i, field)
		if k == noField {
			clear(out)
			return nil, w.refuse(l.command, "a surrogate stands in a field that takes none", "put it where the account's name or the token goes")
		}
		filled, err := w.within(l, field, func(dst, value []byte) ([]byte, error) { return w.writeField(l, k, dst, value) })
		if err != nil {
			clear(out)
			return nil, err
		}
		out = appendWiped(out, filled)
		clear(filled)
	}
	return out, nil
}

func (w *wire) writeField(l *login, k fieldKind, dst, value []byte) ([]byte, error) {
	for _, c := range value {
		switch {
		case c < 0x20 || c == 0x7f:
			return nil, w.badValue(l, "a control character")
		case k == nameField && c == '=':
			dst = appendWiped(dst, []byte("=3D"))
		case k == nameField && c == ',':
			dst = appendWiped(dst, []byte("=2C"))
		default:
			dst = appendWiped(dst, []byte{c})
		}
	}
	return dst, nil
}
