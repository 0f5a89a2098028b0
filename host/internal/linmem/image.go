package linmem

import (
	"errors"
	"os"
)

// errNoPages is that a memory has to be of Go's heap.
var errNoPages = errors.New("no pages of our own")

// Image is what every instance of a module begins with. It does not change.
// The nil Image is empty.
type Image struct {
	file  *os.File // shared by the instances; nil where there is none
	bytes []byte   // without a file
	n     int
}

// shareFrom is the size from which it pays to share an image: a smaller one is
// copied in less time than the system takes to map it.
const shareFrom = 32 << 10

// NewImage returns an image of n bytes that write fills in; they are zero
// before. Close it when no more instances are made.
func NewImage(n int, write func(memory []byte)) *Image {
	if n <= 0 {
		return nil
	}
	i := &Image{n: n}
	if n < shareFrom || i.share(write) != nil {
		i.bytes = make([]byte, n)
		write(i.bytes)
	}
	return i
}

// Close lets go of the image. Memories that began with it stay.
func (i *Image) Close() error {
	if i == nil || i.file == nil {
		return nil
	}
	return i.file.Close()
}

func (i *Image) size() uint64 {
	if i == nil {
		return 0
	}
	return uint64(i.n)
}

// copyTo fills in the beginning of a memory that shares nothing.
func (i *Image) copyTo(memory []byte) error {
	switch {
	case i == nil:
		return nil
	case i.file == nil:
		copy(memory, i.bytes)
		return nil
	}
	_, err := i.file.ReadAt(memory[:i.n], 0)
	return err
}
