// Package e2e_test holds the tests that need real servers, the host, the
// command line and the examples together.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-host/sallyport/e2e/internal/build"
)

// built is what the tests run; TestMain makes it before any of them.
var built build.Built

func TestMain(m *testing.M) {
	root, err := build.Root()
	if err == nil {
		built, err = build.All(context.Background(), root, filepath.Join(root, "bin", "e2e"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
