package meter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
)

// specDir is where wazero's module has the WebAssembly specification's tests,
// compiled.
func specDir(t *testing.T) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Skip("skip: needs the Go toolchain and its module cache (go mod download)")
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

// spec is one command of a test of the specification.
type spec struct {
	Type     string `json:"type"`
	Line     int    `json:"line"`
	Name     string `json:"name"`
	Filename string `json:"filename"`
	As       string `json:"as"`
	Action   struct {
		Type   string  `json:"type"`
		Module string  `json:"module"`
		Field  string  `json:"field"`
		Args   []value `json:"args"`
	} `json:"action"`
}

type value struct {
	Type  string `json:"type"`
	Lane  string `json:"lane_type"`
	Value any    `json:"value"`
}

// bits are the value as a call takes it.
func (v value) bits(t *testing.T) []uint64 {
	number := func(s string, width int) uint64 {
		if n, err := strconv.ParseUint(s, 10, width); err == nil {
			return n
		}
		n, err := strconv.ParseInt(s, 10, width)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(n) & (1<<width - 1)
	}
	switch text, _ := v.Value.(string); {
	case v.Type == "v128":
		width, _ := strconv.Atoi(v.Lane[1:])
		var out [2]uint64
		for i, lane := range v.Value.([]any) {
			out[i*width/64] |= number(lane.(string), width) << (i * width % 64)
		}
		return out[:]
	case text == "null" || text == "":
		return []uint64{0}
	case v.Type == "externref":
		return []uint64{number(text, 32) + 1}
	case strings.HasSuffix(v.Type, "32"):
		return []uint64{number(text, 32)}
	default:
		return []uint64{number(text, 64)}
	}
}

// side is a runtime with the modules of one test in it, metered or not.
type side struct {
	rt      wazero.Runtime
	metered bool
	last    api.Module
	named   map[string]api.Module
}

func newSide(t *testing.T, dir string, metered bool) *side {
	ctx := t.Context()
	s := &side{rt: wazero.NewRuntime(ctx), metered: metered, named: map[string]api.Module{}}
	t.Cleanup(func() { _ = s.rt.Close(context.Background()) })
	tickEvery(t, s.rt, 50)
	module, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.rt.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return s
}

// tickEvery has the tick give that much fuel.
func tickEvery(t testing.TB, rt wazero.Runtime, fuel uint64) {
	_, err := rt.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().WithGoModuleFunction(
		api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = fuel }), nil, []api.ValueType{api.ValueTypeI64}).
		Export(ImportName).Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}

func rewritten(module []byte) ([]byte, error) {
	m, err := wasmbin.Parse(module)
	if err != nil {
		return nil, err
	}
	return Rewrite(m, module)
}

// instantiate makes module the last one.
func (s *side) instantiate(ctx context.Context, module []byte, name, as string) (err error) {
	s.last = nil
	if s.metered {
		if module, err = rewritten(module); err != nil {
			return err
		}
	}
	if s.last, err = s.rt.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName(as)); err == nil && name != "" {
		s.named[name] = s.last
	}
	return err
}

func (s *side) act(ctx context.Context, t *testing.T, c *spec) ([]uint64, string) {
	mod := s.last
	if c.Action.Module != "" {
		mod = s.named[c.Action.Module]
	}
	if mod == nil {
		return nil, "no module"
	}
	if c.Action.Type == "get" {
		return []uint64{mod.ExportedGlobal(c.Action.Field).Get()}, ""
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits(t)...)
	}
	f := mod.ExportedFunction(c.Action.Field)
	if f == nil {
		return nil, "no function"
	}
	out, err := f.Call(ctx, args...)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, text
	}
	return out, ""
}

// TestSpecification runs the tests of the specification metered and not: what
// each call returns, how it traps, and what is refused have to be the same.
func TestSpecification(t *testing.T) {
	dir := specDir(t)
	versions := []string{"v1", "v2"}
	if raced {
		versions = versions[1:] // nearly all of v1 is in v2
	}
	for _, version := range versions {
		files, err := filepath.Glob(filepath.Join(dir, version, "testdata", "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests of the specification: %v", err)
		}
		for _, file := range files {
			t.Run(version+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				t.Parallel()
				runSpec(t, dir, file)
			})
		}
	}
}

// registered is the name under which later modules import from the first of
// the commands.
func registered(commands []spec) string {
	nearby := true
	for i := range commands {
		c := &commands[i]
		nearby = nearby && (i == 0 || c.Type != "module")
		if c.Type == "register" && (c.Name == "" && nearby || c.Name != "" && c.Name == commands[0].Name) {
			return c.As
		}
	}
	return ""
}

func runSpec(t *testing.T, dir, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var test struct{ Commands []spec }
	if err := json.Unmarshal(text, &test); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	plain, metered := newSide(t, dir, false), newSide(t, dir, true)
	chosen := false // the module is one that the meter refuses by choice
	for i := range test.Commands {
		c := &test.Commands[i]
		switch c.Type {
		case "module", "assert_invalid", "assert_malformed", "assert_uninstantiable", "assert_unlinkable":
			if !strings.HasSuffix(c.Filename, ".wasm") {
				continue
			}
			module, err := os.ReadFile(filepath.Join(filepath.Dir(file), c.Filename))
			if err != nil {
				t.Fatal(err)
			}
			as := registered(test.Commands[i:])
			errPlain, errMetered := plain.instantiate(ctx, module, c.Name, as), metered.instantiate(ctx, module, c.Name, as)
			chosen = errPlain == nil && (errors.Is(errMetered, ErrModule) || errors.Is(errMetered, wasmbin.ErrModule))
			if chosen {
				t.Logf("line %d: refused by choice: %v", c.Line, errMetered)
			} else if (errPlain == nil) != (errMetered == nil) {
				t.Errorf("line %d: %v; metered %v", c.Line, errPlain, errMetered)
			}
		case "action", "assert_return", "assert_trap", "assert_exhaustion":
			if chosen && c.Action.Module == "" {
				continue
			}
			out, trap := plain.act(ctx, t, c)
			got, gotTrap := metered.act(ctx, t, c)
			if len(out) != len(got) || trap != gotTrap {
				t.Errorf("line %d: %v %s; metered %v %s", c.Line, out, trap, got, gotTrap)
			}
			for i := range min(len(out), len(got)) {
				if out[i] != got[i] {
					t.Errorf("line %d: %v; metered %v", c.Line, out, got)
				}
			}
		}
	}
}
