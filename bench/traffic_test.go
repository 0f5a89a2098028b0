package main

import (
	"context"
	"strings"
	"testing"
)

func TestTraffic(t *testing.T) {
	text, err := measureTraffic(context.Background(), sizes{rounds: 1, gets: 20, fetches: 2, download: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| HTTP/1.1 |", "| HTTP/2 |", "| JSON |", "| 16 MiB |", "| FETCH |"} {
		if !strings.Contains(text, row) {
			t.Errorf("no row %s:\n%s", row, text)
		}
	}
	t.Log(text)
}

func TestGuard(t *testing.T) {
	text, err := measureGuard(context.Background(), 1, "1x")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "| json |") {
		t.Errorf("no row of JSON:\n%s", text)
	}
	t.Log(text)
}
