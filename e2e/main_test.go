// Package e2e_test holds the tests that need real servers, the host, the
// command line and the examples together.
package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-host/sallyport/e2e/internal/build"
)

// What the tests share: the programs that they run, and a compile cache, as
// compiling takes long under the race detector. TestMain makes both.
var (
	built    build.Built
	compiled string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := build.Root()
	if err != nil {
		return 1, err
	}
	if built, err = build.All(context.Background(), root, filepath.Join(root, "bin", "e2e")); err != nil {
		return 1, err
	}
	if compiled, err = os.MkdirTemp("", "sallyport-e2e-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(compiled)) }()
	return m.Run(), nil
}
