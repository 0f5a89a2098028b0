package surrogate

import (
	"hash/maphash"
	"mime"
	"strings"

	"github.com/sallyport-host/sallyport/manifests"
)

// MaxHeldBytes bounds what a body holds back: a form's field or a JSON
// string. In a longer one no surrogate may stand.
const MaxHeldBytes = 64 << 10

// Body is the body of a request on its way out. It comes in chunks, cut
// anywhere.
type Body struct {
	f    *filler
	read bodyReader
}

// bodyReader is one kind of body. next appends to dst what may be passed on.
type bodyReader interface {
	next(dst, chunk []byte) ([]byte, error)
	rest(dst []byte) ([]byte, error)
}

// NewBody returns a body of that content type for a request to target.
func NewBody(contentType string, live Live, resolve Resolve, target manifests.Target) *Body {
	b := &Body{f: bind(live, resolve, target)}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "application/x-www-form-urlencoded":
		b.read = &formBody{f: b.f}
	case err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")):
		b.read = &jsonBody{f: b.f, seed: maphash.MakeSeed(), outside: outsider(b.f, "a JSON body, outside of its strings")}
	case err == nil && strings.HasPrefix(media, "multipart/"):
		b.read = &multipartBody{outside: outsider(b.f, "a multipart body, where this version puts nothing in")}
	default:
		b.read = outsider(b.f, "the body")
	}
	return b
}

// Next appends to dst what of a chunk may be passed on.
func (b *Body) Next(dst, chunk []byte) ([]byte, error) { return b.read.next(dst, chunk) }

// Rest appends what was held back, at the end of the body.
func (b *Body) Rest(dst []byte) ([]byte, error) { return b.read.rest(dst) }

// Rewrites reports whether values may be put in, so that the length is not
// known before the end.
func (b *Body) Rewrites() bool {
	switch b.read.(type) {
	case *outside, *multipartBody:
		return false
	}
	return true
}

// outside is a text in which no surrogate may stand.
type outside struct {
	scan  Scanner
	where string
}

func outsider(f *filler, where string) *outside {
	return &outside{scan: Scanner{Live: f.live}, where: where}
}

func (o *outside) next(dst, chunk []byte) ([]byte, error) {
	pass, found := o.scan.Next(chunk)
	if found {
		return nil, &PlaceError{Token: o.scan.Found, Where: o.where}
	}
	return append(dst, pass...), nil
}

func (o *outside) rest(dst []byte) ([]byte, error) {
	dst = append(dst, o.scan.Rest()...)
	o.scan = Scanner{Live: o.scan.Live}
	return dst, nil
}

// formBody is application/x-www-form-urlencoded, a field at a time.
type formBody struct {
	f     *filler
	field []byte
	large *outside // a field that is too long to be filled
}

func (b *formBody) next(dst, chunk []byte) (out []byte, err error) {
	for _, c := range chunk {
		if c == '&' {
			if dst, err = b.end(dst); err != nil {
				return nil, err
			}
			dst = append(dst, '&')
			continue
		}
		b.field = append(b.field, c)
		if len(b.field) >= MaxHeldBytes {
			if b.large == nil {
				if pairNamesMethod(string(b.field)) {
					return nil, ErrMethod
				}
				b.large = outsider(b.f, "a form field of more than 64 KiB")
			}
			if dst, err = b.large.next(dst, b.field); err != nil {
				return nil, err
			}
			b.field = b.field[:0]
		}
	}
	return dst, nil
}

// end passes on a field that is whole.
func (b *formBody) end(dst []byte) (out []byte, err error) {
	if b.large != nil {
		if dst, err = b.large.next(dst, b.field); err == nil {
			dst, err = b.large.rest(dst)
		}
		b.field, b.large = b.field[:0], nil
		return dst, err
	}
	filled, err := b.f.pair(string(b.field), manifests.AsForm, "form")
	b.field = b.field[:0]
	return append(dst, filled...), err
}

func (b *formBody) rest(dst []byte) ([]byte, error) { return b.end(dst) }
