package terminal

import (
	"io"
	"strings"
	"text/tabwriter"
)

// maxCell bounds a table's cell, in runes.
const maxCell = 120

// Table writes rows under a header, aligned, every cell cleaned. An empty
// cell is "-". Nothing is written when there are no rows.
func Table(w io.Writer, header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, c := range row {
			if cells[i] = Clean(c, maxCell); cells[i] == "" {
				cells[i] = "-"
			}
		}
		if _, err := io.WriteString(tw, strings.Join(cells, "\t")+"\n"); err != nil {
			return err
		}
	}
	return tw.Flush()
}
