package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/privatedir"
	"github.com/sallyport-host/sallyport/internal/strictjson"
	"github.com/sallyport-host/sallyport/manifests"
)

// The bounds of a configuration file.
const (
	MaxConfigBytes = 64 << 10
	maxConfigDepth = 8
)

var members = []string{"owner", "instance", "mode", "log_level", "allow_addresses", "limits", "ca_files"}

// ErrConfig is wrapped by every error that a configuration file's content
// causes.
var ErrConfig = errors.New("configuration")

// Config is what the operator has set for this installation. The zero value
// is a file that is not there.
type Config struct {
	// Owner and Instance stand in for flags that are not given.
	Owner    string `json:"owner,omitempty"`
	Instance string `json:"instance,omitempty"`
	// Mode is how the host is deployed: "local", the default, or "hosted".
	Mode capabilities.Mode `json:"mode,omitempty"`
	// LogLevel stands in for --log-level.
	LogLevel string `json:"log_level,omitempty"`
	// AllowAddresses are the operator's exceptions: that name, those
	// addresses, nothing else.
	AllowAddresses map[string][]netip.AddrPort `json:"allow_addresses,omitempty"`
	// Limits bound every run, by the names of a manifest's /limits: "wall" to
	// "PT10M", "records" to "10000".
	Limits map[string]string `json:"limits,omitempty"`
	// CAFiles are PEM files of authorities that replace the system's.
	CAFiles []string `json:"ca_files,omitempty"`
}

// ReadConfig reads the file at path. One that is not there is the zero
// Config; one with an unknown or repeated member, or more than
// [MaxConfigBytes], is an error wrapping [ErrConfig]; one that is not this
// user's alone to write to is one wrapping privatedir.ErrUnsafe.
func ReadConfig(path string) (Config, error) {
	raw, err := readLimited(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := parseConfig(raw)
	if err != nil {
		return Config{}, fmt.Errorf("%w %s: %v", ErrConfig, path, err)
	}
	return c, nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := privatedir.Private(path, info); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, MaxConfigBytes+1))
}

func parseConfig(raw []byte) (Config, error) {
	tree, err := strictjson.Parse(raw, strictjson.Limits{MaxBytes: MaxConfigBytes, MaxDepth: maxConfigDepth})
	if err != nil {
		return Config{}, err
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return Config{}, errors.New("not a json object; write {…}")
	}
	for name := range object { // encoding/json would fold case
		if !slices.Contains(members, name) {
			return Config{}, fmt.Errorf("member %q is unknown; the members are %s", name, strings.Join(members, ", "))
		}
	}
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return Config{}, decodeError(err)
	}
	return c, c.check()
}

// decodeError drops what encoding/json says of itself, and says for an
// address, whose own error names no member, which one is meant.
func decodeError(err error) error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && strings.HasPrefix(wrong.Field, "limits") {
		text = "limits: write each as a text, like \"records\": \"1000\""
	} else if wrong == nil {
		text = "allow_addresses: " + text + "; write addresses like 127.0.0.1:5232"
	}
	return errors.New(text)
}

// RunLimits returns Limits as a host takes them.
func (c Config) RunLimits() (l manifests.Limits, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		if err := l.Set(name, c.Limits[name]); err != nil {
			return l, fmt.Errorf("limits: %w", err)
		}
	}
	return l, nil
}

func (c Config) check() error {
	switch c.Mode {
	case "", capabilities.ModeLocal, capabilities.ModeHosted:
	default:
		return fmt.Errorf("mode %q is unknown; use %q or %q", c.Mode, capabilities.ModeLocal, capabilities.ModeHosted)
	}
	for host, addrs := range c.AllowAddresses {
		if host == "" || len(addrs) == 0 {
			return fmt.Errorf("allow_addresses %q needs a name and at least one address like 127.0.0.1:5232", host)
		}
	}
	if _, err := c.RunLimits(); err != nil {
		return err
	}
	if slices.Contains(c.CAFiles, "") {
		return errors.New("ca_files holds an empty path; remove it")
	}
	return nil
}
