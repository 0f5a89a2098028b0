package app

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile locks f until unlock, against those who do the same. The lock is on
// a byte far past the end, as those that are locked cannot be read.
func lockFile(f *os.File) (unlock func(), err error) {
	h := windows.Handle(f.Fd())
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err = windows.LockFileEx(h, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return nil, errOutLocked
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = windows.UnlockFileEx(h, 0, 1, 0, &at) }, nil
}
