package main

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test be the process of its own that holds a crowd.
func TestMain(m *testing.M) {
	if spec := os.Getenv(childVariable); spec != "" {
		if err := holdCrowd(context.Background(), spec, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestMeasureDensity(t *testing.T) {
	contacts := filepath.Join("..", "examples", "contacts")
	if _, err := os.Stat(filepath.Join(contacts, "collector.wasm")); err != nil {
		t.Skip("skip: needs the guests of examples/ (make guests)")
	}
	text, err := measureDensity(t.Context(), 5, contacts)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "| resident, each, MiB |") {
		t.Errorf("no row:\n%s", text)
	}
	t.Log(text)
}
