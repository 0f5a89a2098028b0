package manifests

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t testing.TB, raw []byte) *Manifest {
	t.Helper()
	m, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func bind(t testing.TB, m *Manifest, options map[string]any) *Bound {
	t.Helper()
	b, err := m.Bind(options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func everything(t testing.TB) (*Manifest, *Bound) {
	t.Helper()
	m := parse(t, read(t, "everything.json"))
	return m, bind(t, m, map[string]any{"shop": "my-shop", "mail_host": "mail.example"})
}

// edits maps JSON pointers to what is put there; "" removes.
type edits map[string]string

// edit returns a manifest of testdata with changes.
func edit(t testing.TB, name string, changes edits) []byte {
	t.Helper()
	var doc any
	if err := json.Unmarshal(read(t, name), &doc); err != nil {
		t.Fatal(err)
	}
	for pointer, text := range changes {
		put(t, doc, strings.Split(pointer, "/")[1:], text)
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func put(t testing.TB, doc any, path []string, text string) {
	t.Helper()
	for i := range path {
		path[i] = strings.ReplaceAll(strings.ReplaceAll(path[i], "~1", "/"), "~0", "~")
	}
	for _, token := range path[:len(path)-1] {
		if doc = child(doc, token); doc == nil {
			t.Fatalf("no %q in the manifest", path)
		}
	}
	last := path[len(path)-1]
	var value any
	if text != "" {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	switch at := doc.(type) {
	case map[string]any:
		if text == "" {
			delete(at, last)
			return
		}
		at[last] = value
	case []any:
		i, err := strconv.Atoi(last)
		if err != nil || i >= len(at) {
			t.Fatalf("no %q in the manifest", path)
		}
		at[i] = value
	default:
		t.Fatalf("no %q in the manifest", path)
	}
}

// faultsOf returns "pointer: problem; remedy" of each fault in err.
func faultsOf(t testing.TB, err error) []Fault {
	t.Helper()
	if err == nil {
		return nil
	}
	var faults *Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%T is not *Faults: %v", err, err)
	}
	return faults.Faults
}

// wantFaults holds err to a list of "pointer ~ part of the problem".
func wantFaults(t testing.TB, err error, want ...string) {
	t.Helper()
	got := faultsOf(t, err)
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		pointer, problem, _ := strings.Cut(want[i], " ~ ")
		ok = got[i].Pointer == pointer && strings.Contains(got[i].Problem, problem)
	}
	if !ok {
		t.Errorf("faults:\n got %q\nwant %q", got, want)
	}
}
