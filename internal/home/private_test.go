//go:build unix

package home

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/internal/privatedir"
)

// What others can write to is not taken for the operator's word, nor for a
// place to keep anything; what they can merely read is.
func TestOthersWrite(t *testing.T) {
	for name, c := range map[string]struct {
		what    string // below the home
		mode    os.FileMode
		refused bool
	}{
		"config, group":    {"config.json", 0o660, true},
		"config, others":   {"config.json", 0o602, true},
		"config, readable": {"config.json", 0o644, false},
		"home, group":      {".", 0o770, true},
		"home, others":     {".", 0o707, true},
		"home, readable":   {".", 0o755, false},
		"state, group":     {"state", 0o730, true},
		"state, readable":  {"state", 0o755, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "home")
			path := filepath.Join(dir, c.what)
			err := errors.Join(os.MkdirAll(filepath.Join(dir, "state"), 0o700),
				os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"owner":"ada"}`), 0o600), os.Chmod(path, c.mode))
			if err != nil {
				t.Fatal(err)
			}
			h, err := Resolve(dir, FromOS())
			if err == nil {
				_, err = ReadConfig(h.ConfigFile())
			}
			if !c.refused {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, privatedir.ErrUnsafe) || !strings.Contains(err.Error(), "chmod go-w "+path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnotherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skip: needs root, to give a file to another user")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(config, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(config); !errors.Is(err, privatedir.ErrUnsafe) || !strings.Contains(err.Error(), "user 12345") {
		t.Errorf("configuration: %v", err)
	}
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(dir, FromOS()); !errors.Is(err, privatedir.ErrUnsafe) {
		t.Errorf("home: %v", err)
	}
}

// A home that is elsewhere, by the owner's own link, is looked at there.
func TestLinkedHome(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(link, FromOS()); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(real, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(link, FromOS()); !errors.Is(err, privatedir.ErrUnsafe) {
		t.Errorf("got %v", err)
	}
}
