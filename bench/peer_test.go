package main

import (
	"strings"
	"testing"
)

func TestMeasurePeers(t *testing.T) {
	text, err := measurePeers(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text, "×** |"); n != 4 {
		t.Errorf("%d rows, want 4:\n%s", n, text)
	}
	t.Log(text)
}
