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
	both.Go(func() { guests = b.connectors(ctx, filepath.Join(root, "examples"), out) })
	both.Wait()
	return b, errors.Join(cli, guests)
}

// connectors builds every folder of examples that has a manifest.
func (b *Built) connectors(ctx context.Context, examples, out string) error {
	found, err := filepath.Glob(filepath.Join(examples, "*", "manifest.json"))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no connector in %s", examples)
	}
	for _, manifest := range found {
		name := filepath.Base(filepath.Dir(manifest))
		b.Connectors[name] = filepath.Join(out, name)
		if err := connector(ctx, examples, name, b.Connectors[name]); err != nil {
			return fmt.Errorf("connector %s: %w", name, err)
		}
	}
	return nil
}

// connector puts a manifest and the guest that it names into dir.
func connector(ctx context.Context, examples, name, dir string) error {
	raw, err := os.ReadFile(filepath.Join(examples, name, "manifest.json"))
	if err != nil {
		return err
	}
	var manifest struct {
		Modules map[string]struct{ Path string }
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o644); err != nil {
		return err
	}
	module := filepath.Join(dir, filepath.FromSlash(manifest.Modules["collector"].Path))
	return goBuild(ctx, examples, []string{"GOOS=wasip1", "GOARCH=wasm"}, "-buildmode=c-shared", "-o", module, "./"+name)
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
