package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-host/sallyport/host/internal/meter"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// metered is what is compiled of a module: with the meter in it, which is kept
// beside the compiled code for the next time.
func (h *Host) metered(parsed *wasmbin.Module, module []byte, sha256 string) ([]byte, error) {
	if h.knobs.NoInterrupt {
		return parsed.Clamp(module), nil
	}
	if h.cache == nil {
		return meter.Rewrite(parsed, module)
	}
	c := meterCache{filepath.Join(h.cacheDir, meterFolder), sha256}
	if code, err := c.read(); err == nil {
		return code, nil
	}
	code, err := meter.Rewrite(parsed, module)
	if err != nil {
		return nil, err
	}
	if err := c.write(code); err != nil {
		h.logger.Warn("a metered module cannot be kept", "dir", c.dir, "why", err.Error())
	}
	return code, nil
}

// meterFolder is where metered modules are, in the compile cache.
var meterFolder = fmt.Sprintf("metered-%d", meter.Version)

// meterCache keeps one metered module, under the digest of the original. A
// file in it is whole or not there, and has a checksum against damage:
// whoever can write to it is on this side of the wall, as with native code.
type meterCache struct{ dir, sha256 string }

const meterMagic = "sallyport metered\n"

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("it is damaged")
)

func (c meterCache) path() string { return filepath.Join(c.dir, c.sha256+".wasm") }

func (c meterCache) read() ([]byte, error) {
	b, err := os.ReadFile(c.path())
	if err != nil {
		return nil, err
	}
	const head = len(meterMagic) + 4
	if len(b) < head || string(b[:len(meterMagic)]) != meterMagic ||
		binary.LittleEndian.Uint32(b[len(meterMagic):]) != crc32.Checksum(b[head:], castagnoli) {
		return nil, errDamaged
	}
	return b[head:], nil
}

func (c meterCache) write(code []byte) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, c.sha256+".*.tmp")
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint32([]byte(meterMagic), crc32.Checksum(code, castagnoli))
	_, err = f.Write(head)
	if err == nil {
		_, err = f.Write(code)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.path())
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// forgetDamaged reports whether an error of compiling is that a file of
// wazero's cache is damaged, and if so removes them all: which one it is only
// wazero knows.
func (h *Host) forgetDamaged(err error) bool {
	if h.cache == nil || !strings.Contains(err.Error(), "compilationcache:") {
		return false
	}
	files, globErr := filepath.Glob(filepath.Join(h.cacheDir, "wazero-*", "*"))
	if globErr != nil {
		return false
	}
	h.logger.Warn("the compile cache is damaged and begins anew", "dir", h.cacheDir, "why", err.Error())
	for _, f := range files {
		_ = os.Remove(f)
	}
	return true
}
