package main

import (
	"strings"
	"testing"
)

func TestMeasureScales(t *testing.T) {
	text, err := measureScales(t.Context(), 1, 1000, 10)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text, "\n| 1"); n != 9 { // 1, 10, 100, 1000; 1, 10; 100 B, 1 KiB, 16 KiB
		t.Errorf("%d rows of these, want 9:\n%s", n, text)
	}
	t.Log(text)
}
