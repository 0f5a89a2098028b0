package sallyport

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestBytesWhateverTheLength holds that a body comes whole and is bounded,
// whatever the source says of its length, and that it is not believed with
// memory.
func TestBytesWhateverTheLength(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 3000)
	for _, says := range []string{"", "30000", "29999", "30001", "0", "-1", "x", "99999999999999999999", "9223372036854775807"} {
		for _, r := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
			res := &Response{Header: Header{"Content-Length": {says}}, Body: io.NopCloser(r), Request: &Request{URL: "https://example.com/"}}
			got, err := res.Bytes(1 << 20)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("length %q: %d bytes, %v", says, len(got), err)
			}
			if cap(got) > 2*bodyRoom {
				t.Errorf("length %q: room for %d bytes", says, cap(got))
			}
		}
		res := &Response{Header: Header{"Content-Length": {says}}, Body: io.NopCloser(bytes.NewReader(body)), Request: &Request{URL: "https://example.com/"}}
		if _, err := res.Bytes(int64(len(body)) - 1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("length %q: a body one byte too long gives %v", says, err)
		}
	}
}

func TestBytesKnownLengthTakesOneRead(t *testing.T) {
	reads := 0
	body := readerFunc(func(p []byte) (int, error) {
		if reads++; reads > 1 {
			return 0, io.EOF
		}
		return copy(p, strings.Repeat("x", 16<<10)), nil
	})
	res := &Response{Header: Header{"Content-Length": {"16384"}}, Body: io.NopCloser(body), Request: &Request{}}
	if b, err := res.Bytes(1 << 20); err != nil || len(b) != 16<<10 || reads != 2 {
		t.Errorf("%d bytes in %d reads, %v; want 16384 in 2, the second for the end", len(b), reads, err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTokenByte(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", byte(c)) >= 0
		if got := tokenByte(byte(c)); got != want {
			t.Errorf("%q: %t", byte(c), got)
		}
	}
}
