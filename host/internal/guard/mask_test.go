package guard

import (
	"math/rand/v2"
	"testing"
)

func TestMask(t *testing.T) {
	for c := range 256 {
		for at := range 64 {
			var text [64]byte
			for i := range text {
				text[i] = 'x'
			}
			text[at] = byte(c)
			if got, want := mask64(&text), slowMask64(&text); got != want {
				t.Fatalf("byte %#x at %d: %#x, not %#x", c, at, got, want)
			}
		}
	}
	rnd := rand.New(rand.NewPCG(5, 5))
	for range 10_000 {
		text := []byte("%&=\\\r\n\x00$'<]\x01\x0b\x0c\xa5x")
		var some [64]byte
		for i := range some {
			some[i] = text[rnd.IntN(len(text))]
		}
		if got, want := mask64(&some), slowMask64(&some); got != want {
			t.Fatalf("%q: %#x, not %#x", some[:], got, want)
		}
	}
}
