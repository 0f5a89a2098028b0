package guard

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/host/internal/guard/slow"
)

// FuzzScan holds the scanner to the slow one, and the stream to the whole.
func FuzzScan(f *testing.F) {
	rnd := rand.New(rand.NewPCG(9, 9))
	for i, v := range values {
		all := written(strings.TrimSpace(v), 1)
		for range 6 {
			f.Add(byte(i), uint64(i), "a"+all[rnd.IntN(len(all))].text+"&")
		}
	}
	f.Fuzz(func(t *testing.T, which byte, seed uint64, text string) {
		if len(text) > 1500 {
			return
		}
		v := values[int(which)%len(values)]
		set := New(secret(v))
		out, hits, stop := set.Scrub(nil, []byte(text), redact)
		rnd := rand.New(rand.NewPCG(seed, 1))
		got, stopped := streamed(set, text, redact, func(left int) int { return 1 + rnd.IntN(1+rnd.IntN(left)) })
		if got != string(out) || (stop == nil) != (stopped == nil) {
			t.Errorf("the stream gives %q, the whole %q", got, out)
		}
		if stop != nil {
			return
		}
		if hits == 0 && slow.Finds(v, text) {
			t.Errorf("only the slow scanner finds it in %q", text)
		}
		if hits > 0 && slow.Finds(v, string(out)) {
			t.Errorf("the slow scanner still finds it in %q, from %q", out, text)
		}
	})
}
