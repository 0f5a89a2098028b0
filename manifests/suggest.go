package manifests

import "strings"

// suggestDistance is how many edits away a misspelt name may be.
const suggestDistance = 2

// closest returns the name nearest to word, "" when none is within
// suggestDistance edits. Case does not count.
func closest(word string, names []string) string {
	best, bestDistance := "", suggestDistance+1
	for _, name := range names {
		if len(word) > len(name)+suggestDistance || len(name) > len(word)+suggestDistance {
			continue
		}
		if d := editDistance(strings.ToLower(word), strings.ToLower(name)); d < bestDistance && d < len(name) {
			best, bestDistance = name, d
		}
	}
	return best
}

// editDistance is Levenshtein's, over bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
