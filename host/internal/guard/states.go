package guard

// state is how far a reading has come: to p in the text, with k characters
// behind it.
type state struct {
	p, k int
	// word has the characters themselves, where they are collected.
	word uint32
	// gaps counts those since the last character.
	gaps int32
	// indent is set after a line break: blanks are a gap too.
	indent bool
}

// over returns the state behind a gap.
func (s state) over(next int, indent bool) state {
	s.p = next
	s.gaps++
	s.indent = s.indent || indent
	return s
}

// maxStates is how many ways are kept open at once.
const maxStates = 64

// states are the ways open, the one that has come furthest first. The last is
// followed first, so that ways that meet are found to be one.
type states struct {
	list [maxStates]state
	n    int
	// full is set when one was lost.
	full bool
}

func (s *states) push(new state) {
	at := s.n
	for ; at > 0; at-- {
		old := &s.list[at-1]
		if old.p > new.p {
			break
		}
		if old.p == new.p && old.k == new.k && old.word == new.word && old.indent == new.indent {
			old.gaps = min(old.gaps, new.gaps)
			return
		}
	}
	if s.n == maxStates {
		s.full = true
		return
	}
	copy(s.list[at+1:s.n+1], s.list[at:s.n])
	s.list[at] = new
	s.n++
}

func (s *states) pop() (state, bool) {
	if s.n == 0 {
		return state{}, false
	}
	s.n--
	return s.list[s.n], true
}

// isBlank tells what may indent a line, in a form as well.
func isBlank(char rune) bool { return char == ' ' || char == '\t' || char == '+' }
