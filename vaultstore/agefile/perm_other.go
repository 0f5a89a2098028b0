//go:build !unix

package agefile

import (
	"io/fs"
	"os"
)

// checkPrivate refuses symbolic links. Who else may read a file is not in its
// mode here; a folder in the user's profile is the user's alone.
func checkPrivate(name string, fi fs.FileInfo) error {
	if fi.Mode()&fs.ModeSymlink != 0 {
		return symlinkRefused(name)
	}
	return nil
}

// syncFolder does nothing: a folder cannot be flushed here, and NTFS keeps a
// journal of its own.
func syncFolder(*os.File) error { return nil }
