package main

import (
	"context"
	"os"
	"testing"
	"path/filepath"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(childVariable); spec != "" {
		if err := holdCrowd(context.Background(), spec, os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestDensityScratch(t *testing.T) {
	text, err := measureDensity(t.Context(), 200, filepath.Join("..", "examples", "contacts"))
	t.Log(text, err)
}
