package agefile

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// benchVault holds n credentials of one owner, on a real disk.
func benchVault(b *testing.B, n int) (*Store, Options) {
	b.Helper()
	home := b.TempDir()
	o := Options{Dir: filepath.Join(home, "vault"), KeysDir: filepath.Join(home, "keys")}
	if _, err := Init(b.Context(), o.Dir, InitOptions{KeysDir: o.KeysDir}); err != nil {
		b.Fatal(err)
	}
	s, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for i := range n {
		a := at(fmt.Sprintf("NAME_%d", i))
		if _, err := s.Put(b.Context(), entryOf(a, token, "a value of forty bytes, as tokens are ..."), vaultstore.CreateOnly); err != nil {
			b.Fatal(err)
		}
	}
	return s, o
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("of=%d", n), func(b *testing.B) {
			s, _ := benchVault(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Get(b.Context(), at("NAME_0")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("of=%d", n), func(b *testing.B) {
			s, _ := benchVault(b, n)
			for b.Loop() {
				if _, err := s.Put(b.Context(), entryOf(at("NAME_0"), token, "value"), vaultstore.AnyGeneration); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	s, _ := benchVault(b, 100)
	for b.Loop() {
		for _, err := range s.List(b.Context(), "alice") {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkOpenAndGet is what a command does that needs one credential.
func BenchmarkOpenAndGet(b *testing.B) {
	_, o := benchVault(b, 20)
	for b.Loop() {
		s, err := Open(b.Context(), o)
		if err == nil {
			_, err = s.Get(b.Context(), at("NAME_0"))
		}
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkMark(b *testing.B) {
	s, _ := benchVault(b, 1)
	if err := s.RaiseMark(b.Context(), "alice", "m", 1); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Mark(b.Context(), "alice", "m"); err != nil {
			b.Fatal(err)
		}
	}
}
