package guard

import "encoding/binary"

// slowMask64 has a bit for each byte that is not ordinary, that of the first
// byte lowest. It is for where nothing faster is there, and for its test.
func slowMask64(text *[64]byte) (mask uint64) {
	for i := 0; i < len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		if class[byte(w)]|class[byte(w>>8)]|class[byte(w>>16)]|class[byte(w>>24)]|
			class[byte(w>>32)]|class[byte(w>>40)]|class[byte(w>>48)]|class[byte(w>>56)] == ordinary {
			continue
		}
		for j := range 8 {
			if class[text[i+j]] != ordinary {
				mask |= 1 << (i + j)
			}
		}
	}
	return mask
}

// mask64At is mask64 of the text from i, which may end before.
func mask64At(text []byte, i int) uint64 {
	rest := text[i:]
	if len(rest) >= 64 {
		return mask64((*[64]byte)(rest))
	}
	var part [64]byte
	n := copy(part[:], rest)
	return mask64(&part) & (1<<n - 1)
}
