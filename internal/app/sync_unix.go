//go:build unix

package app

import (
	"errors"
	"os"
	"syscall"
)

// syncFolder makes the entries of a folder durable, where its file system can:
// those of sticks and shares may say that they cannot, and there is no other
// way to ask.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrPermission) {
		return nil // a folder that one may write to and not read
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
