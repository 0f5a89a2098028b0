//go:build unix

package linmem

import "golang.org/x/sys/unix"

// reserve takes address space that has no pages yet.
func reserve(n int) ([]byte, error) {
	if uint64(^uintptr(0)) == 1<<32-1 {
		return nil, errNoPages // too little address space to be generous with
	}
	return unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// commit lets region be touched from one offset to another, both at a page's
// beginning.
func commit(region []byte, from, to int) error {
	if from == to {
		return nil
	}
	return unix.Mprotect(region[from:to], unix.PROT_READ|unix.PROT_WRITE)
}

// release gives region back to the system. It does not fail for one that
// reserve has returned.
func release(region []byte) { _ = unix.Munmap(region) }
