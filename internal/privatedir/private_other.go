//go:build !unix

package privatedir

import "io/fs"

// private: the permissions of this system are not ones that Go shows.
func private(string, fs.FileInfo) error { return nil }
