package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestRecords runs the measurement once, of BENCH_RECORDS records if that is
// set.
func TestRecords(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("BENCH_RECORDS"))
	rounds := 5
	if n == 0 {
		n, rounds = 500, 1
	}
	text, err := measureRecords(context.Background(), rounds, n)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(text, "**") != 6 {
		t.Errorf("no three rows:\n%s", text)
	}
	t.Log(text)
}
