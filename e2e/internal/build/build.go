// Package build makes what the demo and the tests run: the CLI, and each
// connector of examples/ as it would be distributed.
//
// # Promise
//
// Everything is built from the tree that the caller stands in, by the Go
// toolchain alone, into one folder; what is up to date there is not linked
// again.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// Built says where things are.
type Built struct {
	CLI        string            // the program
	Connectors map[string]string // the folder of each connector, by its name in examples/
}

// Root returns the root of the tree that holds the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work above the working directory")
		}
		dir = parent
	}
}

// All builds everything into out.
func All(ctx context.Context, root, out string) (Built, error) {
	b := Built{CLI: filepath.Join(out, "sallyport"), Connectors: map[string]string{}}
	if runtime.GOOS == "windows" {
		b.CLI += ".exe"
	}
	var cli, guests error
	var both sync.WaitGroup
	both.Go(func() { cli = goBuild(ctx, root, nil, "-o", b.CLI, "./cmd/sallyport") })
	both.Go(func() { guests = b.connectors(ctx, root, out) })
	both.Wait()
	return b, errors.Join(cli, guests)
}

// connectors builds every folder of examples that has a manifest.
func (b *Built) connectors(ctx context.Context, root, out string) error {
	found, err := filepath.Glob(filepath.Join(root, "examples", "*", "manifest.json"))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no connector in %s", filepath.Join(root, "examples"))
	}
	for _, manifest := range found {
		dir := filepath.Dir(manifest)
		name := filepath.Base(dir)
		b.Connectors[name] = filepath.Join(out, name)
		if err := connector(ctx, dir, b.Connectors[name]); err != nil {
			return fmt.Errorf("connector %s: %w", name, err)
		}
	}
	return nil
}

// connector builds the guest in from into the folder to, its manifest beside
// it.
func connector(ctx context.Context, from, to string) error {
	raw, err := os.ReadFile(filepath.Join(from, "manifest.json"))
	if err != nil {
		return err
	}
	var manifest struct {
		Modules map[string]struct{ Path string }
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, "manifest.json"), raw, 0o644); err != nil {
		return err
	}
	module := filepath.Join(to, filepath.FromSlash(manifest.Modules["collector"].Path))
	return Guest(ctx, from, module)
}

// Guest builds the guest in from as the module at path to, for a test that has
// a guest of its own.
func Guest(ctx context.Context, from, to string) error {
	return goBuild(ctx, from, []string{"GOOS=wasip1", "GOARCH=wasm"}, "-buildmode=c-shared", "-o", to, ".")
}

// goBuild runs go build in dir.
func goBuild(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false", "-trimpath"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
