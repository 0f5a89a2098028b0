package surrogate

import (
	"bytes"
	"net/url"
	"strings"
)

// methodField is the parameter by which Rails, Laravel, Symfony, WordPress and
// others take a request for one of another method.
const methodField = "_method"

// NamesMethod reports whether a header, as it is written, names another method
// than the request's own.
func NamesMethod(header string) bool {
	switch strings.ToLower(strings.ReplaceAll(header, "_", "-")) {
	case "x-http-method-override", "x-http-method", "x-method-override":
		return true
	}
	return false
}

// namesMethod reports whether a decoded name is read as [methodField]: PHP
// drops spaces before it and takes some characters for "_".
func namesMethod(name string) bool {
	name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "\x00")
	return strings.EqualFold(strings.NewReplacer(".", "_", " ", "_", "[", "_").Replace(name), methodField)
}

// pairNamesMethod is namesMethod for one pair of a query or form, also where
// ";" is taken to end one.
func pairNamesMethod(pair string) bool {
	for part := range strings.SplitSeq(pair, ";") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if namesMethod(name) {
			return true
		}
	}
	return false
}

// multipartBody is a text in which no surrogate may stand, and no part that
// names a method.
type multipartBody struct {
	*outside
	tail []byte // of what was passed on
}

// overlap is the longest way to write that a part is a method's.
const overlap = len(`name="`) + len(methodField) + len(`"`)

func (b *multipartBody) next(dst, chunk []byte) ([]byte, error) {
	b.tail = append(b.tail, chunk...)
	text := bytes.ToLower(b.tail)
	for _, form := range []string{`name="` + methodField + `"`, `name='` + methodField + `'`, `name=` + methodField} {
		if bytes.Contains(text, []byte(form)) {
			return nil, ErrMethod
		}
	}
	b.tail = append(b.tail[:0], b.tail[max(0, len(b.tail)-overlap):]...)
	return b.outside.next(dst, chunk)
}
