package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/internal/wasmtest"
)

func TestMeasureStops(t *testing.T) {
	text, err := measureStops(context.Background(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text, "\n| "); n != len(wasmtest.Attacks())+1 {
		t.Errorf("%d rows:\n%s", n, text)
	}
	t.Log(text)
}

func TestMeasureFairness(t *testing.T) {
	text, err := measureFairness(context.Background(), 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(text)
}
