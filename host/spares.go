package host

import "sync"

// spares keeps a few buffers of bodyChunk bytes for the next exchange of a run.
// It is safe for concurrent use. None goes from one run to another: what is in
// them is the source's.
type spares struct {
	mu      sync.Mutex
	buffers [][]byte
}

// maxBuffers is how many are kept: what one exchange takes, and one more.
const maxBuffers = 4

func (s *spares) buffer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.buffers); n > 0 {
		last := s.buffers[n-1]
		s.buffers = s.buffers[:n-1]
		return last
	}
	return make([]byte, bodyChunk)
}

// keep takes buffers back, those that are of the right size.
func (s *spares) keep(all ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range all {
		if len(b) == bodyChunk && len(s.buffers) < maxBuffers {
			s.buffers = append(s.buffers, b)
		}
	}
}
