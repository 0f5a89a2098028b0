//go:build !unix

package host

import "io/fs"

// Where there are no permission bits to read, the folder is the user's own by
// its place in the profile.
func ownedByUs(fs.FileInfo) bool { return true }

func othersCanWrite(fs.FileInfo) bool { return false }
