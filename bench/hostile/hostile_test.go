package hostile

import (
	"strings"
	"testing"
)

// TestNothingComesOfIt holds Sallyport's column to nothing, row by row. The
// guest reads the environment either way, and it is empty.
func TestNothingComesOfIt(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: it builds two guests and compiles them")
	}
	table, err := Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(table, "|---|---|---|\n")
	rows := strings.Split(strings.TrimSpace(body), "\n")
	if len(rows) != len(tricks) {
		t.Fatalf("%d rows of %d", len(rows), len(tricks))
	}
	for _, row := range rows {
		if cells := strings.Split(row, " | "); len(cells) != 3 || cells[1] != "nothing" {
			t.Error(row)
		}
	}
	t.Log("\n" + table)
}
