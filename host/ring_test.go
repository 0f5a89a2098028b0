package host

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestRing compares a ring with a bytes.Buffer, and holds it to the most that
// it has held.
func TestRing(t *testing.T) {
	const most = 1000
	rnd := rand.New(rand.NewPCG(1, 2))
	var r ring
	var want bytes.Buffer
	next := byte(0)
	for i := range 20_000 {
		p := make([]byte, rnd.IntN(most-want.Len()+1))
		for i := range p {
			next++
			p[i] = next
		}
		r.put(p)
		want.Write(p)
		clear(p) // the ring has a copy
		got := make([]byte, rnd.IntN(most/2))
		n := r.take(got)
		if expected := want.Next(len(got)); !bytes.Equal(got[:n], expected) || r.len() != want.Len() {
			t.Fatalf("step %d: took %d bytes and holds %d, want %d and %d", i, n, r.len(), len(expected), want.Len())
		}
	}
	if len(r.buf) > 2*most {
		t.Errorf("room for %d bytes, and never more than %d were held", len(r.buf), most)
	}
}
