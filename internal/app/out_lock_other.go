//go:build !windows

package app

import (
	"os"

	"github.com/gofrs/flock"
)

// lockFile locks f until unlock, against those who do the same.
func lockFile(f *os.File) (unlock func(), err error) {
	lock := flock.New(f.Name())
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errOutLocked
	}
	return func() { _ = lock.Unlock() }, nil
}
