package surrogate

import "github.com/sallyport-host/sallyport/abi"

// Scanner finds live surrogates in a text that comes in chunks, also across
// their borders. It holds back no more than could be the start of one.
type Scanner struct {
	Live  Live
	Found string // the surrogate that Next found
	held  []byte
	text  []byte
}

// Next takes a chunk and returns what may be passed on, which is valid until
// the next call. found stops the request.
func (s *Scanner) Next(chunk []byte) (pass []byte, found bool) {
	s.text = append(append(s.text[:0], s.held...), chunk...)
	if i := next(s.text, 0, s.Live); i >= 0 {
		s.Found = string(s.text[i : i+abi.SurrogateLen])
		return nil, true
	}
	keep := possibleStart(s.text)
	pass = s.text[:len(s.text)-keep]
	s.held = append(s.held[:0], s.text[len(pass):]...)
	return pass, false
}

// Rest returns what was held back, at the end of the text.
func (s *Scanner) Rest() []byte { return s.held }

// possibleStart returns the length of the longest tail that may grow into a
// surrogate.
func possibleStart(text []byte) int {
	for n := min(len(text), abi.SurrogateLen-1); n > 0; n-- {
		if couldBegin(text[len(text)-n:]) {
			return n
		}
	}
	return 0
}
