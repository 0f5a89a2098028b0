package main

import (
	"context"
	"strings"
	"testing"
)

func TestMeasureCompute(t *testing.T) {
	text, err := measureCompute(context.Background(), 1, loops()[:1])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "| count |") {
		t.Errorf("no row of the counting loop:\n%s", text)
	}
	t.Log(text)
}
