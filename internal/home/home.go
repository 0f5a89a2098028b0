// Package home says where an installation keeps its files and reads the
// operator's configuration.
//
// # Promise
//
// The same flags and environment give the same paths on every call. A
// configuration file is accepted whole or refused with what is wrong and what
// would be right; a file that is not there is an empty configuration, one that
// cannot be read is an error. A folder or a configuration file that others can
// write to, or that is another user's, is refused: whoever can exchange what is
// in it can have this host do as they like. Nothing is created here.
//
// # Limits
//
// Only the folders of ours are looked at, not those on the way to them; the
// stores below them check their own. Permissions are not looked at on Windows.
// Everything returned is a plain value.
package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/sallyport-host/sallyport/internal/privatedir"
)

// EnvHome names the environment variable that stands for --home.
const EnvHome = "SALLYPORT_HOME"

// appDir is the folder of ours in each of the system's.
const appDir = "sallyport"

// ErrNowhere says that neither a flag nor the environment tells where the
// owner's files are.
var ErrNowhere = errors.New("no home directory")

// Home is where an installation keeps its files. All paths are absolute.
type Home struct {
	Data   string // what is worth a backup: vault, keys, approvals
	State  string // what a run leaves behind: the audit log, cursors
	Config string // what the operator writes
	Cache  string // what can be deleted at any time
}

// System is what the paths depend on. [FromOS] returns the real one.
type System struct {
	GOOS    string
	Getenv  func(string) string
	HomeDir func() (string, error)
}

// FromOS returns the system that this process runs on.
func FromOS() System {
	return System{GOOS: runtime.GOOS, Getenv: os.Getenv, HomeDir: os.UserHomeDir}
}

// Resolve returns the home at dir or, when dir is empty, at $SALLYPORT_HOME,
// each a single folder that holds everything; and without either the
// directories that the system has for the purpose: those of the XDG base
// directory specification, ~/Library on macOS, %LocalAppData% and %AppData%
// on Windows.
//
// A folder that is there and not this user's alone to write to is an error that
// wraps privatedir.ErrUnsafe.
func Resolve(dir string, sys System) (Home, error) {
	h, err := locate(dir, sys)
	if err != nil {
		return Home{}, err
	}
	for _, folder := range []string{h.Data, h.State, h.Config} {
		if err := checkFolder(folder); err != nil {
			return Home{}, err
		}
	}
	return h, nil
}

// checkFolder follows a link: to have a folder elsewhere is the owner's choice.
func checkFolder(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return privatedir.Private(path, info)
}

func locate(dir string, sys System) (Home, error) {
	if dir == "" {
		dir = sys.Getenv(EnvHome)
	}
	if dir != "" {
		return single(dir)
	}
	switch sys.GOOS {
	case "windows":
		return windows(sys)
	case "darwin", "ios":
		return darwin(sys)
	}
	return xdg(sys)
}

func single(dir string) (Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("home %q: %w", dir, err)
	}
	return Home{
		Data:   abs,
		State:  filepath.Join(abs, "state"),
		Config: abs,
		Cache:  filepath.Join(abs, "cache"),
	}, nil
}

// xdg follows the specification in ignoring relative paths.
func xdg(sys System) (Home, error) {
	at := func(env string, fallback ...string) (string, error) {
		if v := sys.Getenv(env); filepath.IsAbs(v) {
			return filepath.Join(v, appDir), nil
		}
		dir, err := sys.HomeDir()
		if err != nil {
			return "", fmt.Errorf("%w: set %s, or give --home", ErrNowhere, EnvHome)
		}
		return filepath.Join(append(append([]string{dir}, fallback...), appDir)...), nil
	}
	var h Home
	var errs [4]error
	h.Data, errs[0] = at("XDG_DATA_HOME", ".local", "share")
	h.State, errs[1] = at("XDG_STATE_HOME", ".local", "state")
	h.Config, errs[2] = at("XDG_CONFIG_HOME", ".config")
	h.Cache, errs[3] = at("XDG_CACHE_HOME", ".cache")
	for _, err := range errs {
		if err != nil {
			return Home{}, err
		}
	}
	return h, nil
}

func darwin(sys System) (Home, error) {
	dir, err := sys.HomeDir()
	if err != nil {
		return Home{}, fmt.Errorf("%w: set %s, or give --home", ErrNowhere, EnvHome)
	}
	support := filepath.Join(dir, "Library", "Application Support", appDir)
	return Home{
		Data:   support,
		State:  filepath.Join(support, "state"),
		Config: support,
		Cache:  filepath.Join(dir, "Library", "Caches", appDir),
	}, nil
}

func windows(sys System) (Home, error) {
	local, roaming := sys.Getenv("LocalAppData"), sys.Getenv("AppData")
	if local == "" || roaming == "" {
		return Home{}, fmt.Errorf("%w: %%LocalAppData%% and %%AppData%% are not set; set %s, or give --home",
			ErrNowhere, EnvHome)
	}
	local = filepath.Join(local, appDir)
	return Home{
		Data:   local, // not roaming: keys stay on the machine that made them
		State:  filepath.Join(local, "state"),
		Config: filepath.Join(roaming, appDir),
		Cache:  filepath.Join(local, "cache"),
	}, nil
}

// VaultDir holds the sealed credentials.
func (h Home) VaultDir() string { return filepath.Join(h.Data, "vault") }

// KeysDir holds the identities that open the vault. A copy of the vault
// without it is of no use to whoever has it.
func (h Home) KeysDir() string { return filepath.Join(h.Data, "keys") }

// ApprovalsDir holds the signed approvals and revocations.
func (h Home) ApprovalsDir() string { return filepath.Join(h.Data, "approvals") }

// AuditDir holds the audit log.
func (h Home) AuditDir() string { return filepath.Join(h.State, "audit") }

// CursorsDir holds what connectors remember between runs.
func (h Home) CursorsDir() string { return filepath.Join(h.State, "cursors") }

// LocksDir holds the locks by which processes take turns to renew tokens.
func (h Home) LocksDir() string { return filepath.Join(h.State, "locks") }

// ModulesDir holds compiled modules: native code, the host's own.
func (h Home) ModulesDir() string { return filepath.Join(h.Cache, "modules") }

// ConfigFile is the operator's configuration, see [ReadConfig].
func (h Home) ConfigFile() string { return filepath.Join(h.Config, "config.json") }
