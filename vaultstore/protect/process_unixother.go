//go:build unix && !linux

package protect

func undumpable() error { return nil }
