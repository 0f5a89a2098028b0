package wasmbin

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
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

// FuzzData holds what Data says to what the engine lays out: a module with its
// data and one without it, on the image, begin with the same memory.
func FuzzData(f *testing.F) {
	f.Add([]byte{0, 8, 3, 1, 2, 3, 0, 9, 1, 7, 2, 0, 2, 5, 5, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 1, 7})
	f.Add(bytes.Repeat([]byte{0x12, 0x34, 5, 1, 2, 3, 4, 5}, 30))
	rt := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter())
	f.Fuzz(func(t *testing.T, program []byte) {
		var segments [][]byte
		for len(program) > 3 { // an offset, a length, so many bytes
			offset := uint32(program[0])<<8 | uint32(program[1])
			n := min(int(program[2]), len(program)-3)
			segments = append(segments, bytes.Join([][]byte{{0, 0x41}, leb(offset | 1<<20)[:3], {0x0b}, leb(uint32(n)), program[3 : 3+n]}, nil))
			segments[len(segments)-1][4] &= 3 // the bit was there to have three bytes
			program = program[3+n:]
		}
		module := mod(sec(5, []byte{1, 0, 1}), sec(7, []byte{1}, str("memory"), []byte{2, 0}),
			sec(11, leb(uint32(len(segments))), bytes.Join(segments, nil)))
		instance, engineErr := rt.InstantiateWithConfig(context.Background(), module, wazero.NewModuleConfig().WithName(""))
		rest, found, ok := Data(module)
		if ok != (engineErr == nil) {
			t.Fatalf("taken: %v; the engine says %v", ok, engineErr)
		}
		if !ok {
			return
		}
		defer instance.Close(context.Background())
		if _, err := Parse(rest); err != nil {
			t.Fatalf("the rest: %v", err)
		}
		image := make([]byte, 1<<16)
		for _, s := range found {
			copy(image[s.Offset:], s.Bytes)
		}
		if want, _ := instance.Memory().Read(0, 1<<16); !bytes.Equal(image, want) {
			t.Error("the memory is another")
		}
	})
}
