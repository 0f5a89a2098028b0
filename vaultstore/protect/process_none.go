//go:build !unix

package protect

func process() error { return nil }
