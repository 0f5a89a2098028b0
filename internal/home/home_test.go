package home

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func system(goos, dir string, env map[string]string) System {
	return System{
		GOOS:   goos,
		Getenv: func(k string) string { return env[k] },
		HomeDir: func() (string, error) {
			if dir == "" {
				return "", errors.New("none")
			}
			return dir, nil
		},
	}
}

func TestResolve(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: the paths below are those of a Unix system")
	}
	tests := map[string]struct {
		dir  string
		sys  System
		want Home
	}{
		"flag wins": {"/a", system("linux", "/h", map[string]string{EnvHome: "/b"}),
			Home{"/a", "/a/state", "/a", "/a/cache"}},
		"variable": {"", system("linux", "/h", map[string]string{EnvHome: "/b"}),
			Home{"/b", "/b/state", "/b", "/b/cache"}},
		"xdg defaults": {"", system("linux", "/h", nil),
			Home{"/h/.local/share/sallyport", "/h/.local/state/sallyport", "/h/.config/sallyport", "/h/.cache/sallyport"}},
		"xdg set, no home directory": {"", system("linux", "", map[string]string{
			"XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c", "XDG_CACHE_HOME": "/k"}),
			Home{"/d/sallyport", "/s/sallyport", "/c/sallyport", "/k/sallyport"}},
		"xdg relative is ignored": {"", system("freebsd", "/h", map[string]string{"XDG_DATA_HOME": "d"}),
			Home{"/h/.local/share/sallyport", "/h/.local/state/sallyport", "/h/.config/sallyport", "/h/.cache/sallyport"}},
		"macos": {"", system("darwin", "/h", map[string]string{"XDG_DATA_HOME": "/d"}),
			Home{"/h/Library/Application Support/sallyport", "/h/Library/Application Support/sallyport/state",
				"/h/Library/Application Support/sallyport", "/h/Library/Caches/sallyport"}},
		"windows": {"", system("windows", "", map[string]string{"LocalAppData": "/l", "AppData": "/r"}),
			Home{"/l/sallyport", "/l/sallyport/state", "/r/sallyport", "/l/sallyport/cache"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Resolve(tt.dir, tt.sys)
			if err != nil || got != tt.want {
				t.Fatalf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		if _, err := Resolve("", system(goos, "", nil)); !errors.Is(err, ErrNowhere) {
			t.Errorf("%s without a home: got %v, want ErrNowhere", goos, err)
		}
	}
	if h, err := Resolve("rel", FromOS()); err != nil || !filepath.IsAbs(h.Data) {
		t.Errorf("relative --home: got %+v, %v, want an absolute path", h, err)
	}
}

// Two of the paths meeting would let one store's files pass for another's.
func TestPathsAreDistinct(t *testing.T) {
	h, err := Resolve(t.TempDir(), FromOS())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range []string{h.VaultDir(), h.KeysDir(), h.ApprovalsDir(), h.AuditDir(), h.CursorsDir(), h.ModulesDir(), h.ConfigFile()} {
		if seen[p] {
			t.Errorf("%s is used twice", p)
		}
		seen[p] = true
	}
}

func TestReadConfig(t *testing.T) {
	tests := map[string]struct{ in, wantErr string }{
		"full": {`{"owner":"ada","instance":"work","mode":"hosted","log_level":"debug",
			"allow_addresses":{"dav.test":["127.0.0.1:5232","[::1]:5232"]},"ca_files":["ca.pem"],
			"limits":{"wall":"PT10M","records":"1000"}}`, ""},
		"empty":          {`{}`, ""},
		"unknown member": {`{"owners":"x"}`, "is unknown; the members"},
		"twice":          {`{"owner":"a","owner":"b"}`, "duplicate key"},
		"twice by case":  {`{"owner":"a","Owner":"b"}`, "is unknown"},
		"wrong type":     {`{"owner":1}`, "cannot unmarshal number"},
		"twice, nested":  {`{"allow_addresses":{"a":["127.0.0.1:1"],"a":["127.0.0.1:2"]}}`, "duplicate key"},
		"second value":   {`{} {}`, "not valid JSON"},
		"bad mode":       {`{"mode":"cloud"}`, "mode"},
		"bad address":    {`{"allow_addresses":{"a":["127.0.0.1"]}}`, "allow_addresses"},
		"no address":     {`{"allow_addresses":{"a":[]}}`, "at least one"},
		"unknown limit":  {`{"limits":{"fuel":"1"}}`, "limits are bytes_in"},
		"bad limit":      {`{"limits":{"wall":"10m"}}`, "limit wall"},
		"limit no text":  {`{"limits":{"records":1000}}`, "write each as a text"},
		"empty ca":       {`{"ca_files":[""]}`, "ca_files"},
		"not json":       {`owner = ada`, "not valid JSON"},
		"cut":            {`{"owner":`, "not valid JSON"},
		"deep":           {strings.Repeat("[", 100), "too deep"},
		"large":          {`{"owner":"` + strings.Repeat("a", MaxConfigBytes) + `"}`, "too large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte(tt.in), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := ReadConfig(path)
			if tt.wantErr == "" {
				if err != nil {
					t.Fatalf("got %v", err)
				}
				if name == "full" && (c.Owner != "ada" || len(c.AllowAddresses["dav.test"]) != 2 || c.CAFiles[0] != "ca.pem" || c.Limits["wall"] != "PT10M") {
					t.Fatalf("got %+v", c)
				}
				return
			}
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got %v, want ErrConfig with %q", err, tt.wantErr)
			}
		})
	}
	if c, err := ReadConfig(filepath.Join(t.TempDir(), "none")); err != nil || c.Owner != "" {
		t.Errorf("a file that is not there: got %+v, %v", c, err)
	}
	if _, err := ReadConfig(t.TempDir()); err == nil {
		t.Error("a folder was read as a configuration")
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"owner":"ada","allow_addresses":{"dav.test":["127.0.0.1:5232"]}}`))
	f.Add([]byte(`[[[{"a":1,"a":2}]]]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := parseConfig(raw); err == nil && c.check() != nil {
			t.Fatal("an unchecked configuration was accepted")
		}
	})
}

// Every member of Config must be readable, and be listed in the error that
// names the members.
func TestMembersAreComplete(t *testing.T) {
	c := reflect.TypeFor[Config]()
	if c.NumField() != len(members) {
		t.Fatalf("Config has %d members, %d are listed", c.NumField(), len(members))
	}
	for i := range c.NumField() {
		name, _, _ := strings.Cut(c.Field(i).Tag.Get("json"), ",")
		if !slices.Contains(members, name) {
			t.Errorf("member %s is not listed", name)
		}
	}
}
