//go:build unix

package privatedir

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// othersWrite are the permissions that make a file somebody else's too.
const othersWrite = 0o022

// Private checks that only the owner, who is this user or root, can change
// what info is of, as ssh judges its own files: [ErrUnsafe] when not. path is
// how the error calls it.
func Private(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&othersWrite != 0 {
		return fmt.Errorf("%w: others can write to %s; run: chmod go-w %s", ErrUnsafe, path, path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if uid := int(stat.Uid); uid != os.Geteuid() && uid != 0 {
			return fmt.Errorf("%w: %s belongs to user %d; run as that user, or put one of your own in its place", ErrUnsafe, path, uid)
		}
	}
	return nil
}
