package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
	"github.com/sallyport-host/sallyport/manifests"
)

// Package is a connector as it is distributed: a manifest and its guests.
type Package struct {
	Manifest []byte
	Modules  map[abi.Role][]byte
}

// ManifestFile is the manifest's name in a connector's folder.
const ManifestFile = "manifest.json"

// ReadPackage reads the manifest at path, or manifest.json when path is a
// folder, and each module that it names, none outside the manifest's folder.
// Its error is a *manifests.Faults when the manifest is wrong.
func ReadPackage(path string) (Package, error) {
	folder, name := path, ManifestFile
	info, err := os.Stat(path)
	if err != nil {
		return Package{}, unreadable(path, err)
	}
	if !info.IsDir() {
		folder, name = filepath.Split(path)
		folder = filepath.Clean("./" + folder)
		if filepath.IsAbs(path) {
			folder = filepath.Dir(path)
		}
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return Package{}, unreadable(folder, err)
	}
	defer root.Close()
	raw, err := readFile(root, name, manifests.MaxBytes)
	if err != nil {
		return Package{}, err
	}
	m, err := manifests.Parse(raw)
	if err != nil {
		return Package{}, err
	}
	p := Package{Manifest: raw, Modules: map[abi.Role][]byte{}}
	for role, module := range m.Modules {
		if p.Modules[role], err = readFile(root, filepath.FromSlash(module.Path), abi.MaxModuleBytes); err != nil {
			return Package{}, err
		}
	}
	return p, nil
}

func unreadable(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

func readFile(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && filepath.Ext(name) == ".wasm" {
			return nil, fmt.Errorf("module %s is not there: build it first: %w", name, fs.ErrNotExist)
		}
		return nil, unreadable(name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, nil
}

// ModuleInfo is what a module says of itself, without running or compiling
// it.
type ModuleInfo struct {
	SHA256  string   `json:"sha256"`
	Bytes   int      `json:"bytes"`
	Imports []string `json:"imports"` // "sallyport:run/v1.emit", ordered
	Exports []string `json:"exports"`
}

// Inspect reads a module's sections.
func Inspect(module []byte) (ModuleInfo, error) {
	m, err := wasmbin.Parse(module)
	if err != nil {
		return ModuleInfo{}, err
	}
	return moduleInfo(module, m, digest(module)), nil
}

func moduleInfo(module []byte, m *wasmbin.Module, sha256 string) ModuleInfo {
	info := ModuleInfo{SHA256: sha256, Bytes: len(module), Imports: []string{}, Exports: []string{}}
	for _, im := range m.Imports {
		info.Imports = append(info.Imports, im.Module+"."+im.Name)
	}
	for _, ex := range m.Exports {
		info.Exports = append(info.Exports, ex.Name)
	}
	slices.Sort(info.Imports)
	slices.Sort(info.Exports)
	return info
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
