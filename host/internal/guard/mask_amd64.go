package guard

// mask64 has a bit for each byte that is not ordinary, that of the first byte
// lowest: [slowMask64], sixteen bytes at a time.
//
//go:noescape
func mask64(text *[64]byte) uint64
