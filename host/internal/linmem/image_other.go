//go:build !linux

package linmem

func (i *Image) share(func(memory []byte)) error { return errNoPages }

// lay makes the first size bytes of region what the image says.
func (i *Image) lay(region []byte, size int) error {
	if err := commit(region, 0, size); err != nil || i == nil {
		return err
	}
	copy(region, i.bytes)
	return nil
}
