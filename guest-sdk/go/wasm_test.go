package sallyport_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestModulesImportWhatTheyUse builds guests that use a part of the SDK, and
// expects of their import sections that part and no more: a host refuses a
// module that imports what its manifest does not give it.
func TestModulesImportWhatTheyUse(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: -short; it compiles the Go runtime for wasip1")
	}
	run := []string{"emit", "error_text", "fetch_result", "input", "log"}
	for guest, want := range map[string]map[string][]string{
		"bare":       {"sallyport:run/v1": run},
		"credential": {"sallyport:run/v1": run, "sallyport:credential/v1": {"use"}},
		"http":       {"sallyport:run/v1": run, "sallyport:http/v1": {"read", "send", "wait", "write"}},
		"stream":     {"sallyport:run/v1": run, "sallyport:stream/v1": {"open", "read", "wait", "write"}},
		"sign":       {"sallyport:run/v1": run, "sallyport:credential-sign/v1": {"sign"}},
		"put":        {"sallyport:run/v1": run, "sallyport:credential-store/v1": {"put"}},
		"reveal":     {"sallyport:run/v1": run, "sallyport:credential-reveal/v1": {"reveal"}},
	} {
		t.Run(guest, func(t *testing.T) {
			module := build(t, guest)
			imports, exports, err := sections(module)
			if err != nil {
				t.Fatal(err)
			}
			delete(imports, "wasi_snapshot_preview1")
			if !maps.EqualFunc(imports, want, slices.Equal) {
				t.Errorf("imports %v, want %v", imports, want)
			}
			if got := []string{"_initialize", "memory", "sallyport_abi", "sallyport_run"}; !slices.Equal(exports, got) {
				t.Errorf("exports %q, want %q", exports, got)
			}
			// Go's runtime and encoding/json are 3 MB; this notices when the
			// SDK begins to drag in more than it says.
			if most := 5 << 20; len(module) > most {
				t.Errorf("%d bytes, more than %d", len(module), most)
			}
		})
	}
}

func build(t *testing.T, guest string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-o", out, "./testdata/guests/"+guest)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// TestSDKImportsLittle: neither net/http nor crypto comes in with the SDK.
func TestSDKImportsLittle(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		first, _, _ := strings.Cut(dep, "/")
		if dep == "net" || dep == "net/http" || first == "crypto" ||
			strings.Contains(first, ".") && !strings.HasPrefix(dep, "github.com/sallyport-host/sallyport/guest-sdk/go") {
			t.Errorf("it imports %s", dep)
		}
	}
}

var errModule = errors.New("not a module")

// sections returns a module's imported functions by import module, and its
// exports, each ordered.
func sections(module []byte) (imports map[string][]string, exports []string, err error) {
	r := bytes.NewReader(module)
	head := make([]byte, 8)
	if _, err := r.Read(head); err != nil || string(head) != "\x00asm\x01\x00\x00\x00" {
		return nil, nil, errModule
	}
	imports = map[string][]string{}
	for r.Len() > 0 {
		id, _ := r.ReadByte()
		body, err := chunk(r)
		if err != nil {
			return nil, nil, err
		}
		switch id {
		case 2:
			err = readImports(body, imports)
		case 7:
			exports, err = readExports(body)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for name, functions := range imports {
		slices.Sort(functions)
		imports[name] = slices.Compact(functions)
	}
	slices.Sort(exports)
	return imports, exports, nil
}

// chunk reads a vector of bytes.
func chunk(r *bytes.Reader) (*bytes.Reader, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > uint64(r.Len()) {
		return nil, errModule
	}
	b := make([]byte, n)
	_, _ = r.Read(b) // n bytes are there
	return bytes.NewReader(b), nil
}

func name(r *bytes.Reader) string {
	c, err := chunk(r)
	if err != nil {
		return ""
	}
	b := make([]byte, c.Len())
	_, _ = c.Read(b)
	return string(b)
}

func readImports(r *bytes.Reader, into map[string][]string) error {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	for range n {
		module, function := name(r), name(r)
		if kind, err := r.ReadByte(); err != nil || kind != 0 {
			return errModule // Go imports functions only
		}
		if _, err := binary.ReadUvarint(r); err != nil {
			return err
		}
		into[module] = append(into[module], function)
	}
	return nil
}

func readExports(r *bytes.Reader) (names []string, err error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	for range n {
		names = append(names, name(r))
		if _, err := r.ReadByte(); err != nil {
			return nil, err
		}
		if _, err := binary.ReadUvarint(r); err != nil {
			return nil, err
		}
	}
	return names, nil
}
