//go:build unix

package agefile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// checkPrivate refuses a file or folder that others than this process's user
// can reach, as ssh does with its keys.
func checkPrivate(name string, fi fs.FileInfo) error {
	if fi.Mode()&fs.ModeSymlink != 0 {
		return symlinkRefused(name)
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %#o; run chmod go-rwx on it, and ask who may have read it",
			vaultstore.ErrPermissions, name, mode)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d, and this is user %d; run as its owner",
			vaultstore.ErrPermissions, name, st.Uid, os.Geteuid())
	}
	return nil
}

// syncFolder makes a folder's entries durable.
func syncFolder(d *os.File) error { return d.Sync() }
