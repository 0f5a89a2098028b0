package main

import (
	"context"
	"strings"
	"testing"
)

// TestMeasure runs the measurement of calls once: the figures are the
// benchmark's business, that it works is the test's.
func TestMeasure(t *testing.T) {
	text, err := measureCalls(context.Background(), 1, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text, "| `"); n != 4 {
		t.Errorf("%d rows, want 4:\n%s", n, text)
	}
	t.Log(text)
}
