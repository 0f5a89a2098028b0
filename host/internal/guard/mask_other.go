//go:build !amd64

package guard

func mask64(text *[64]byte) uint64 { return slowMask64(text) }
