//go:build unix

package protect

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func process() error {
	var err error
	if e := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); e != nil {
		err = fmt.Errorf("turn core dumps off: %w", e)
	}
	return errors.Join(err, undumpable())
}
