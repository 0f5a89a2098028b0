package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/capabilities"
)

// The bounds of a configuration file.
const (
	MaxConfigBytes = 64 << 10
	maxConfigDepth = 8
)

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
	// CAFiles are PEM files of authorities that replace the system's.
	CAFiles []string `json:"ca_files,omitempty"`
}

// ReadConfig reads the file at path. One that is not there is the zero
// Config; one with an unknown or repeated member, or more than
// [MaxConfigBytes], is an error wrapping [ErrConfig].
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
	return io.ReadAll(io.LimitReader(f, MaxConfigBytes+1))
}

func parseConfig(raw []byte) (Config, error) {
	if len(raw) > MaxConfigBytes {
		return Config{}, fmt.Errorf("larger than %d bytes; make it smaller", MaxConfigBytes)
	}
	if err := noRepeats(raw); err != nil {
		return Config{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var c Config
	if err := dec.Decode(&c); err != nil {
		return Config{}, decodeError(err)
	}
	return c, c.check()
}

// decodeError drops what encoding/json says of itself, and says for an
// address, whose own error names no member, which one is meant.
func decodeError(err error) error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) && !strings.HasPrefix(text, "unknown field") {
		text = "allow_addresses: " + text + "; write addresses like 127.0.0.1:5232"
	}
	return errors.New(text)
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
	if slices.Contains(c.CAFiles, "") {
		return errors.New("ca_files holds an empty path; remove it")
	}
	return nil
}

// noRepeats refuses what encoding/json lets pass: a member given twice, a
// second document, and nesting past maxConfigDepth.
func noRepeats(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := walk(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object; remove it")
	}
	return nil
}

func walk(dec *json.Decoder, depth int) error {
	if depth > maxConfigDepth {
		return errors.New("nested too deeply")
	}
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("not valid json: %v", err)
	}
	switch t {
	case json.Delim('{'):
		return walkObject(dec, depth)
	case json.Delim('['):
		for dec.More() {
			if err := walk(dec, depth+1); err != nil {
				return err
			}
		}
		_, err = dec.Token()
		return err
	}
	return nil
}

func walkObject(dec *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("not valid json: %v", err)
		}
		name, _ := t.(string)
		name = strings.ToLower(name) // encoding/json folds case, and so do host names
		if seen[name] {
			return fmt.Errorf("member %q is given twice; keep one", name)
		}
		seen[name] = true
		if err := walk(dec, depth+1); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}
