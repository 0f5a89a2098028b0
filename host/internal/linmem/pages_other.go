//go:build !unix

package linmem

func reserve(int) ([]byte, error) { return nil, errNoPages }

func commit([]byte, int, int) error { return errNoPages }

func release([]byte) {}
