package mailwire

import (
	"bytes"
	"strconv"
	"testing"
)

// BenchmarkFromServer is a mailbox that is fetched, in messages of 64 KiB and
// in the pieces of a connection, with nothing to search for.
func BenchmarkFromServer(b *testing.B) {
	const size = 64 << 10
	text := []byte("* 1 FETCH (UID 1 BODY[] {" + strconv.Itoa(size) + "}\r\n")
	text = append(append(text, bytes.Repeat([]byte("all work and no play\r\n"), size/22+1)[:size]...), ")\r\n"...)
	text = bytes.Repeat(text, 16)
	s := NewIMAP(Hooks{})
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		for at := 0; at < len(text); at += 32 << 10 {
			if _, _, err := s.FromServer(text[at:min(at+32<<10, len(text))]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
