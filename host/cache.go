package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

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
		var info fs.FileInfo
		if err == nil {
			info, err = os.Lstat(path)
		}
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil // another process renamed or removed it
		}
		if err != nil {
			return err
		}
		if err := ownOnly(info); err != nil {
			return err
		}
		if info.Mode().IsRegular() && strings.HasSuffix(path, ".tmp") && time.Since(info.ModTime()) > unfinished {
			_ = os.Remove(path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// unfinished is the age at which a file that is being written is what a killed
// process left behind.
const unfinished = time.Hour

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
