package wasmbin

import (
	"bytes"
	"testing"
)

func TestData(t *testing.T) {
	memory := sec(5, []byte{1, 0, 1})
	segment := func(offset []byte, data string) []byte {
		return bytes.Join([][]byte{{0, 0x41}, offset, {0x0b}, leb(uint32(len(data))), []byte(data)}, nil)
	}
	data := func(segments ...[]byte) []byte {
		return sec(11, leb(uint32(len(segments))), bytes.Join(segments, nil))
	}
	const taken, left = true, false
	for name, c := range map[string]struct {
		module []byte
		ok     bool
	}{
		"two":                   {mod(memory, data(segment([]byte{8}, "abc"), segment([]byte{0x80, 1}, "d"))), taken},
		"none":                  {mod(memory, data()), taken},
		"at the end":            {mod(memory, data(segment([]byte{0xff, 0xff, 3}, "d"))), taken},
		"no section":            {mod(memory), left},
		"past the end":          {mod(memory, data(segment([]byte{0xff, 0xff, 3}, "de"))), left},
		"at a negative address": {mod(memory, data(segment([]byte{0x7f}, "d"))), left},
		"no memory":             {mod(data(segment([]byte{8}, "d"))), left},
		"counted for the code":  {mod(memory, sec(12, []byte{1}), data(segment([]byte{8}, "d"))), left},
		"passive":               {mod(memory, data([]byte{1, 1, 'd'})), left},
		"of a numbered memory":  {mod(memory, data([]byte{2, 0, 0x41, 8, 0x0b, 1, 'd'})), left},
		"at a global's address": {mod(memory, data([]byte{0, 0x23, 0, 0x0b, 1, 'd'})), left},
		"cut":                   {mod(memory, data([]byte{0, 0x41, 8, 0x0b, 2, 'd'})), left},
		"more than is counted":  {mod(memory, sec(11, []byte{1}, segment([]byte{8}, "d"), []byte{0})), left},
		"an overlong address":   {mod(memory, data(segment([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, "d"))), left},
	} {
		t.Run(name, func(t *testing.T) {
			rest, segments, ok := Data(c.module)
			if ok != c.ok {
				t.Fatalf("taken: %v, want %v", ok, c.ok)
			}
			if !ok {
				return
			}
			if !bytes.Equal(rest, mod(memory)) {
				t.Errorf("the rest is % x", rest)
			}
			if name == "two" && (len(segments) != 2 || segments[0].Offset != 8 || string(segments[0].Bytes) != "abc" || segments[1].Offset != 128 || string(segments[1].Bytes) != "d") {
				t.Errorf("segments = %+v", segments)
			}
		})
	}
}
