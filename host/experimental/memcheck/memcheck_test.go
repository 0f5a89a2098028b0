package memcheck

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

const value = "canary-T7f3Kq9zX2mW8bQ4n"

func checker(t *testing.T) *Checker {
	t.Helper()
	c := &Checker{}
	if err := c.Add("TOKEN", value); err != nil {
		t.Fatal(err)
	}
	return c
}

// forms returns what was found, sorted.
func (c *Checker) forms() []string {
	var all []string
	for f := range c.Found() {
		all = append(all, f.Name+" as "+f.Form)
	}
	return slices.Sorted(slices.Values(all))
}

// TestFindsWhatIsWritten: wherever it is, the borders of pages among them, at
// the first look and at one that finds all else unchanged.
func TestFindsWhatIsWritten(t *testing.T) {
	forms := map[string]string{
		"TOKEN as raw": value, "TOKEN as hex": hex.EncodeToString([]byte(value)),
		"TOKEN as base64": base64.StdEncoding.EncodeToString([]byte("a:" + value)),
	}
	for want, text := range forms {
		for _, at := range []int{0, 1, page - 1, page - len(text) + 1, 2*page - len(text)/2, 3*page - len(text)} {
			for looks := range 3 {
				c, memory := checker(t), make([]byte, 3*page)
				for range looks {
					c.look("run", "a call", memory)
				}
				copy(memory[at:], text)
				c.look("run", "emit", memory)
				if got := c.Found(); len(got) != 1 || !slices.Equal(c.forms(), []string{want}) || !slices.Contains(slices.Collect(maps.Values(got)), "emit") {
					t.Errorf("%s at %d, after %d looks: found %v", want, at, looks, got)
				}
			}
		}
	}
}

// TestFindsWhatIsWrittenInParts: byte by byte, a look after each, in any order.
func TestFindsWhatIsWrittenInParts(t *testing.T) {
	for name, at := range map[string]int{"within a page": 100, "across two": page - 9} {
		for i := range len(value) { // the byte that comes last
			c, memory := checker(t), make([]byte, 2*page)
			copy(memory[at:], value)
			memory[at+i] = '!'
			c.look("run", "before", memory)
			if got := c.Names(); len(got) > 0 {
				t.Fatalf("%s: found %v, which is not there", name, got)
			}
			memory[at+i] = value[i]
			if c.look("run", "after", memory); !slices.Equal(c.Names(), []string{"TOKEN"}) {
				t.Errorf("%s, byte %d the last: not found", name, i)
			}
		}
	}
}

// TestFindsWhereMemoryGrew, in what another run had begun with, and what was
// there before it was looked for.
func TestFindsWhereMemoryGrew(t *testing.T) {
	c, memory := checker(t), make([]byte, page)
	c.look("run", "a call", memory)
	grown := append(slices.Clone(memory), make([]byte, 2*page)...)
	copy(grown[page-5:], value)
	c.look("run", "grown", grown)
	if got := c.Found()[Finding{"TOKEN", "raw"}]; got != "grown" {
		t.Errorf("grown: %q", got)
	}

	c = checker(t)
	c.look("one", "a call", memory)
	if c.look("two", "a call", grown); len(c.Found()) != 1 {
		t.Error("not found in a run after another")
	}

	const later = "canary-A5h8Lw2vR6yC1jE9u"
	c = checker(t)
	copy(memory, later)
	c.look("run", "a call", memory)
	if err := c.Add("LATER", later); err != nil {
		t.Fatal(err)
	}
	if c.look("run", "a call", memory); !slices.Equal(c.Names(), []string{"LATER"}) {
		t.Error("what was there before it was looked for is not found")
	}
}

// TestLooksOnlyAtWhatChanged is what makes a look at every call affordable.
func TestLooksOnlyAtWhatChanged(t *testing.T) {
	c, memory := checker(t), []byte(strings.Repeat("0123456789abcdef", 64*page/16))
	c.look("run", "a call", memory)
	c.look("run", "a call", memory)
	if got := c.Looked(); got != (Looked{2, 1}) {
		t.Errorf("looked %+v", got)
	}
	memory[5], memory[40*page] = 'x', 'x'
	var sizes []int
	c.runs["run"].changes(memory, func(text []byte) { sizes = append(sizes, len(text)) })
	if len(sizes) != 2 || max(sizes[0], sizes[1]) > 2*Overlap+block {
		t.Errorf("ranges of %v bytes for two bytes that changed", sizes)
	}
	if c.look("another", "a call", memory); c.Looked().Ranges != 3 {
		t.Errorf("another run: looked %+v", c.Looked())
	}
}

// TestLargeMemory is looked at in some calls, and in any case at its end.
func TestLargeMemory(t *testing.T) {
	c, memory := checker(t), make([]byte, Large+1)
	copy(memory[Large-40:], value)
	for range Rarely {
		c.look("run", "a call", memory)
	}
	if got := c.Looked().Looks; got != 1 || len(c.Found()) != 1 {
		t.Errorf("%d looks, found %v", got, c.Found())
	}
	c = checker(t)
	if c.look("run", atEnd, memory); len(c.Found()) != 1 {
		t.Error("not found at the end")
	}
}

// TestRandomMemory: what is no text is read to its end, and holds nothing.
func TestRandomMemory(t *testing.T) {
	c, memory := checker(t), []byte(strings.Repeat("\\u00\\x\x00%25%25\n&#", 1<<16/16))
	c.look("run", "a call", memory)
	if len(c.Found()) != 0 {
		t.Errorf("found %v", c.Found())
	}
	copy(memory[5000:], value)
	if c.look("run", "a call", memory); !slices.Contains(c.Names(), "TOKEN") {
		t.Error("not found")
	}
}

func TestWeakValues(t *testing.T) {
	if err := (&Checker{}).Add("PIN", "tulip-27"); !errors.Is(err, ErrWeak) {
		t.Errorf("%v", err)
	}
}
