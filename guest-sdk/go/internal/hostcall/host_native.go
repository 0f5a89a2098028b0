//go:build !wasip1

package hostcall

// Host is what a run calls. Outside a guest it is a fake's to fill.
type Host = Functions
