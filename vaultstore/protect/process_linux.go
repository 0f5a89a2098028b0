package protect

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// undumpable also gives /proc/self/mem to root.
func undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_DUMPABLE: %w", err)
	}
	return nil
}
