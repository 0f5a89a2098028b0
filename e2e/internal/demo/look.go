package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// record is a RECORD that a run wrote, with the data of T.
type record[T any] struct {
	Type, Stream string
	Data         T
	text         string
}

// attempt is a record of the nosy connector.
type attempt struct {
	Tried, Got string
	Leaked     bool
}

// contact is what the demo shows of a record of the contacts connector.
type contact struct {
	DisplayName string `json:"display_name"`
	Name        string // of a group
	Emails      []struct{ Value string }
}

// records reads what a run wrote to stdout.
func records[T any](out string) ([]record[T], error) {
	var all []record[T]
	for text := range strings.Lines(out) {
		r := record[T]{text: strings.TrimSuffix(text, "\n")}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, err
		}
		if r.Type == "RECORD" {
			all = append(all, r)
		}
	}
	return all, nil
}

// contacts shows one contact in full and the other records in a line each.
func (s *stage) contacts(out string) {
	all, err := records[contact](out)
	if err != nil {
		s.show(out)
		return
	}
	whole := false
	for _, r := range all {
		if !whole && r.Stream == "contacts" {
			whole = true
			s.wrap(r.text)
			continue
		}
		line := fmt.Sprintf("%-16s %s", r.Stream, r.Data.DisplayName+r.Data.Name)
		for _, e := range r.Data.Emails {
			line += " <" + e.Value + ">"
		}
		s.show(line)
	}
}

// lineWidth is how wide records are shown, in runes.
const lineWidth = 100

// wrap shows a long line whole.
func (s *stage) wrap(text string) {
	for runes := []rune(text); len(runes) > 0; {
		n := min(len(runes), lineWidth)
		s.show(string(runes[:n]))
		runes = runes[n:]
	}
}

// table shows what the nosy connector tried and what came of it.
func (s *stage) table(out string) {
	attempts, err := records[attempt](out)
	if err != nil {
		s.show(out)
		return
	}
	width := len("it tried to")
	for _, a := range attempts {
		width = max(width, len(a.Data.Tried))
	}
	fmt.Fprintf(s.out, "   %s\n", s.paint(bold, fmt.Sprintf("%-*s   %s", width, "it tried to", "and got")))
	for _, a := range attempts {
		got := s.paint(green, a.Data.Got)
		if a.Data.Leaked {
			got = "LEAKED"
		}
		fmt.Fprintf(s.out, "   %-*s   %s\n", width, a.Data.Tried, got)
	}
}

// leaked is an error when an attempt got something.
func leaked(attempts []record[attempt]) error {
	if len(attempts) == 0 {
		return errors.New("the nosy connector made no attempt")
	}
	for _, a := range attempts {
		if a.Data.Leaked {
			return fmt.Errorf("the nosy connector could %s", a.Data.Tried)
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
