package linmem

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
)

const page = 64 << 10

// kinds are the memories of a system: of its pages where it has them, and of
// Go's heap.
func kinds(limit uint64, image *Image) map[string]*Memory {
	heap := New(limit, image)
	heap.heap = true
	return map[string]*Memory{"pages": New(limit, image), "heap": heap}
}

func TestAMemoryIsBoundedAndWiped(t *testing.T) {
	for kind, m := range kinds(10*page, nil) {
		t.Run(kind, func(t *testing.T) {
			var last []byte
			m.BeforeWipe = func(b []byte) { last = bytes.Clone(b) }
			first := m.Reallocate(page)
			copy(first, "secret")
			second := m.Reallocate(6 * page)
			if len(second) != 6*page || string(second[:6]) != "secret" || !bytes.Equal(second[page:], make([]byte, 5*page)) {
				t.Fatal("what growing keeps is not what was there")
			}
			if &first[0] != &second[0] && !bytes.Equal(first, make([]byte, page)) {
				t.Error("what growing left behind is not wiped")
			}
			if m.Wanted() != 0 {
				t.Errorf("%d bytes were refused", m.Wanted())
			}
			if m.Reallocate(10*page+1) != nil || m.Wanted() != 10*page+1 {
				t.Error("it grew past its limit")
			}
			whole := m.Reallocate(10 * page)
			if len(whole) != 10*page {
				t.Fatalf("up to its limit: %d bytes", len(whole))
			}
			copy(whole[9*page:], "the end")
			m.Free() // as the engine does, within a host call: it stays
			if string(whole[:6]) != "secret" {
				t.Error("it is gone before it is released")
			}
			mapped := m.region != nil
			m.Release()
			if len(last) != 10*page || string(last[:6]) != "secret" || string(last[9*page:][:7]) != "the end" {
				t.Error("BeforeWipe did not see all of it")
			}
			if !mapped && !bytes.Equal(whole, make([]byte, 10*page)) {
				t.Error("the memory is not wiped at its end")
			}
			m.Release()
			if m.Reallocate(page) != nil {
				t.Error("a released memory begins again")
			}
		})
	}
}

func TestAnImageIsWhatEveryMemoryBeginsWith(t *testing.T) {
	for _, n := range []int{100, shareFrom, page + 100, 2 * page} { // copied, and shared
		image := NewImage(n, func(b []byte) { copy(b, "begin"); copy(b[n-3:], "end") })
		for kind, m := range kinds(10*page, image) {
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				defer m.Release()
				if n > page && m.Reallocate(page) != nil {
					t.Fatal("it is smaller than its image")
				}
				b := m.Reallocate(3 * page)
				if string(b[:5]) != "begin" || string(b[n-3:n]) != "end" || !bytes.Equal(b[n:], make([]byte, 3*page-n)) {
					t.Fatal("it does not begin as the image")
				}
				copy(b, "mine!")
				other := New(10*page, image)
				defer other.Release()
				if got := other.Reallocate(2 * page); string(got[:5]) != "begin" {
					t.Errorf("another one begins with %q", got[:5])
				}
			})
		}
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	}
	if NewImage(0, nil) != nil {
		t.Error("an empty image is none")
	}
}

// TestWhatIsReleasedIsGone has many memories one after the other: each finds
// nothing of the one before.
func TestWhatIsReleasedIsGone(t *testing.T) {
	for range 50 {
		for kind, m := range kinds(4*page, nil) {
			b := m.Reallocate(4 * page)
			if i := bytes.IndexFunc(b, func(r rune) bool { return r != 0 }); i >= 0 {
				t.Fatalf("%s: byte %d is of someone else", kind, i)
			}
			for i := range b {
				b[i] = 'x'
			}
			m.Release()
		}
		runtime.GC()
	}
}
