//go:build unix

package host

import (
	"io/fs"
	"os"
	"syscall"
)

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// othersCanWrite is strict with folders, which must be 0700; wazero's files
// in them have the umask's mode and are out of reach.
func othersCanWrite(info fs.FileInfo) bool {
	if info.IsDir() {
		return info.Mode().Perm()&0o077 != 0
	}
	return info.Mode().Perm()&0o022 != 0
}
