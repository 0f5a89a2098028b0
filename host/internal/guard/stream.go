package guard

const (
	// patience is how much is held back before the search of it waits for
	// more text to come than each chunk has. Only what is read as most of a
	// long value is as long as that.
	patience = 16 << 10
	// keep is the most buffer kept for later.
	keep = 1 << 20
)

// Stream searches one text that comes in chunks. It holds back the end of the
// text as long as that may be the beginning of a value: for most texts no
// byte, and never more than the longest form can take. It is for one
// goroutine.
type Stream struct {
	set *Set
	put func(Hit) []byte
	// held is what was not given out yet, wait how long it should get before
	// it is worth another look.
	held []byte
	wait int
	base int
	// before is the byte before held, or -1.
	before int
	stop   *Hit
	exact  bool
}

// Stream begins a text. put returns what takes the place of a hit; with nil
// every hit stops.
func (s *Set) Stream(put func(Hit) []byte) *Stream {
	return &Stream{set: s, put: put, before: -1}
}

// KeepLength makes what takes the place of a hit exactly as long as the hit:
// filled up with asterisks, or these alone where it would be longer.
func (t *Stream) KeepLength() { t.exact = true }

// Next takes a chunk and appends to dst what may pass on. After a hit that
// stops, that is what was before the hit; the stream is over then, and every
// further call returns the same stop and no text. dst and chunk must not
// overlap. The chunk is not kept.
func (t *Stream) Next(dst, chunk []byte) (out []byte, stop *Hit) {
	if t.stop != nil {
		return dst, t.stop
	}
	if len(t.held) > 0 {
		t.held = append(t.held, chunk...)
		chunk = t.held
	}
	if len(chunk) < t.wait {
		return dst, nil
	}
	return t.search(dst, chunk, false)
}

// Rest ends the text and appends what was held back.
func (t *Stream) Rest(dst []byte) (out []byte, stop *Hit) {
	if t.stop != nil {
		return dst, t.stop
	}
	return t.search(dst, t.held, true)
}

// Renew goes on with another set, because a value became live or ceased to be.
// What was given out is not searched again, what is held back is. Hits are
// told by the indices of the new set.
func (t *Stream) Renew(s *Set) {
	t.set = s
	t.wait = 0
}

// search gives out what is decided of text, and holds the rest. text may be
// t.held.
func (t *Stream) search(dst, text []byte, final bool) (out []byte, stop *Hit) {
	done := len(text)
	if t.set.Empty() {
		out = append(dst, text...)
	} else {
		sc := t.set.borrow(text)
		sc.final, sc.before, sc.exact = final, t.before, t.exact
		sc.run()
		out, done, _, stop = sc.emit(dst, t.base, t.put)
		t.set.giveBack(sc)
	}
	t.base += done
	if done > 0 {
		t.before = int(text[done-1])
	}
	t.stop = stop
	if stop != nil {
		done = len(text)
	}
	t.retain(text[done:])
	return out, stop
}

// retain keeps the end of a text, and wipes what was kept of it before.
func (t *Stream) retain(rest []byte) {
	old := len(t.held)
	if cap(t.held) > keep && len(rest) < keep/4 {
		large := t.held
		t.held = append([]byte(nil), rest...)
		clear(large)
	} else {
		t.held = append(t.held[:0], rest...)
		clear(t.held[len(t.held):max(old, len(t.held))])
	}
	t.wait = 0
	if len(rest) > patience {
		t.wait = len(rest) + len(rest)/4
	}
}
