package surrogate

import (
	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// Place is where a live surrogate stands.
type Place struct {
	Token string
	At    manifests.Position
}

// encoder appends a value as it is written at a place, or says why it cannot
// stand there.
type encoder func(dst, value []byte) (out []byte, problem string)

// filler puts values in for tokens, one after the other. Without resolve it
// only notes where they stand, and leaves them there.
type filler struct {
	live    Live
	resolve func(token string, at manifests.Position) ([]byte, error)
	places  []Place
}

func bind(live Live, resolve Resolve, target manifests.Target) *filler {
	return &filler{live: live, resolve: func(token string, at manifests.Position) ([]byte, error) {
		return resolve(token, at, target)
	}}
}

func (f *filler) put(dst []byte, token string, at manifests.Position, encode encoder) ([]byte, error) {
	if len(f.places) == MaxPlaces {
		return nil, ErrTooMany
	}
	f.places = append(f.places, Place{token, at})
	if f.resolve == nil {
		return append(dst, token...), nil
	}
	value, err := f.resolve(token, at)
	if err != nil {
		return nil, err
	}
	if len(value) == 0 {
		return nil, &ValueError{token, at, "it is empty"}
	}
	out, problem := encode(dst, value)
	if problem != "" {
		return nil, &ValueError{token, at, problem}
	}
	return out, nil
}

// all puts values in wherever a live token stands in text.
func (f *filler) all(text []byte, at manifests.Position, encode encoder) (out []byte, err error) {
	done := 0
	for i := next(text, 0, f.live); i >= 0; i = next(text, done, f.live) {
		out = append(out, text[done:i]...)
		done = i + abi.SurrogateLen
		if out, err = f.put(out, string(text[i:done]), at, encode); err != nil {
			return nil, err
		}
	}
	if done == 0 {
		return text, nil
	}
	return append(out, text[done:]...), nil
}

// refuse returns a [PlaceError] when a live token stands in text.
func (f *filler) refuse(text, where, remedy string) error {
	if token, found := In(text, f.live); found {
		return &PlaceError{Token: token, Where: where, Remedy: remedy}
	}
	return nil
}

// position returns the position of a name that the guest chose, and whether
// send_to could name it at all.
func position(kind manifests.PositionKind, param string) (manifests.Position, bool) {
	at, err := manifests.ParsePosition(string(kind) + ":" + param)
	return at, err == nil
}
