package linmem

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// share puts the image into a file that is in memory only and that nobody can
// change any more.
func (i *Image) share(write func(memory []byte)) error {
	fd, err := unix.MemfdCreate("sallyport-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "image")
	if err := fill(fd, i.n, write); err != nil {
		_ = file.Close()
		return err
	}
	i.file = file
	return nil
}

func fill(fd, n int, write func(memory []byte)) error {
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		return err
	}
	memory, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	write(memory)
	if err := unix.Munmap(memory); err != nil {
		return err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	return err
}

// lay makes the first size bytes of region ready: the image's pages, which
// become a memory's own when it writes to them, and empty ones behind.
func (i *Image) lay(region []byte, size int) error {
	// A huge page would be resident as a whole for a guest that touches a part.
	if err := unix.Madvise(region, unix.MADV_NOHUGEPAGE); err != nil && err != unix.EINVAL { // a kernel without them
		return err
	}
	if err := commit(region, 0, size); err != nil || i == nil {
		return err
	}
	if i.file == nil {
		copy(region, i.bytes)
		return nil
	}
	_, err := unix.MmapPtr(int(i.file.Fd()), 0, unsafe.Pointer(unsafe.SliceData(region)), uintptr(i.n),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}
