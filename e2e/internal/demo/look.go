package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// attempt is a record of the nosy connector.
type attempt struct {
	Tried, Got string
	Leaked     bool
}

// line is a message that a run wrote.
type line struct {
	Type string
	Data attempt
}

func countRecords(out string) (n int) {
	for text := range strings.Lines(out) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil && l.Type == "RECORD" {
			n++
		}
	}
	return n
}

func readAttempts(out string) ([]attempt, error) {
	var all []attempt
	for text := range strings.Lines(out) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, err
		}
		if l.Type == "RECORD" {
			all = append(all, l.Data)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the nosy connector made no attempt")
	}
	return all, nil
}

// table shows what was tried and what came of it.
func (s *stage) table(attempts []attempt) {
	width := len("it tried to")
	for _, a := range attempts {
		width = max(width, len(a.Tried))
	}
	fmt.Fprintf(s.out, "   %s\n", s.paint(bold, fmt.Sprintf("%-*s   %s", width, "it tried to", "and got")))
	for _, a := range attempts {
		got := s.paint(green, a.Got)
		if a.Leaked {
			got = "LEAKED"
		}
		fmt.Fprintf(s.out, "   %-*s   %s\n", width, a.Tried, got)
	}
}

// leaked is an error when an attempt got something.
func leaked(attempts []attempt) error {
	for _, a := range attempts {
		if a.Leaked {
			return fmt.Errorf("the nosy connector could %s", a.Tried)
		}
	}
	return nil
}

func count(data []byte, value string) int { return bytes.Count(data, []byte(value)) }

// searchHome counts the password in every file that the program has written.
func (d *demo) searchHome() (found, files int, err error) {
	err = filepath.WalkDir(d.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		files++
		found += count(b, d.password)
		return err
	})
	return found, files, err
}
