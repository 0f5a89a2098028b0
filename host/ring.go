package host

// ring holds bytes from when they are put in until they are taken out, in the
// same order. It grows to the most that it has held at once, and then moves
// nothing more. The zero value is empty.
type ring struct {
	buf   []byte
	start int // of what is held, in buf
	held  int
}

func (r *ring) len() int { return r.held }

// put takes a copy of p.
func (r *ring) put(p []byte) {
	if r.held+len(p) > len(r.buf) {
		r.grow(r.held + len(p))
	}
	end := r.start + r.held
	if end >= len(r.buf) {
		end -= len(r.buf)
	}
	n := copy(r.buf[end:], p)
	copy(r.buf, p[n:])
	r.held += len(p)
}

// take moves bytes to p and returns how many.
func (r *ring) take(p []byte) int {
	n := min(len(p), r.held)
	p = p[:n]
	first := copy(p, r.buf[r.start:])
	copy(p[first:], r.buf)
	if r.start += n; r.start >= len(r.buf) {
		r.start -= len(r.buf)
	}
	if r.held -= n; r.held == 0 {
		r.start = 0
	}
	return n
}

// grow makes room for size bytes, and for some more.
func (r *ring) grow(size int) {
	buf := make([]byte, max(size, 2*len(r.buf)))
	held := r.held
	r.take(buf[:held])
	r.buf, r.start, r.held = buf, 0, held
}
