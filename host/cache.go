package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tetratelabs/wazero"
)

// openCompileCache opens a cache of native code, if nobody else can write to
// it: every folder in it is a real one, mode 0700 and the user's own, and
// every file is a plain one.
func openCompileCache(dir string) (wazero.CompilationCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		return ownOnly(info)
	})
	if err != nil {
		return nil, err
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

func ownOnly(info fs.FileInfo) error {
	switch {
	case !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a folder nor a plain file", info.Name())
	case !ownedByUs(info):
		return fmt.Errorf("%s belongs to another user", info.Name())
	case othersCanWrite(info):
		return errors.New(info.Name() + " can be written by others; run: chmod -R go-rwx on it")
	}
	return nil
}
