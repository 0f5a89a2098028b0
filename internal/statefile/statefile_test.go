package statefile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/privatedir"
)

type cursors = map[string]json.RawMessage

var scope = capabilities.Scope{Owner: "Ann", Connector: "contacts", Instance: "default", Grant: "self"}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *Store) mustCommit(t testing.TB, scope capabilities.Scope, c cursors) {
	t.Helper()
	if err := s.Commit(context.Background(), scope, c); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) mustLoad(t testing.TB, scope capabilities.Scope) cursors {
	t.Helper()
	c, err := s.Load(context.Background(), scope)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommitAndLoad(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if got := s.mustLoad(t, scope); got != nil {
		t.Errorf("nothing yet: %s", got)
	}
	s.mustCommit(t, scope, nil)
	if got := s.mustLoad(t, scope); got != nil {
		t.Errorf("nothing was committed: %s", got)
	}
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`{"token":"<1>&\u00e9"}`), "b": json.RawMessage(`{"n":12345678901234567890}`)})
	s.mustCommit(t, scope, cursors{"b": json.RawMessage(`null`), "c": json.RawMessage(`[1]`)})
	want := cursors{"a": json.RawMessage(`{"token":"<1>&\u00e9"}`), "b": json.RawMessage(`null`), "c": json.RawMessage(`[1]`)}
	for _, one := range []*Store{s, open(t, dir)} {
		if got := one.mustLoad(t, scope); !reflect.DeepEqual(got, want) {
			t.Errorf("got %s", got)
		}
	}
	for _, other := range []capabilities.Scope{
		{Owner: "ann", Connector: "contacts", Instance: "default", Grant: "self"},
		{Owner: "Ann", Connector: "contacts", Instance: "default", Grant: "Self"},
		{Owner: "Ann", Connector: "contacts/default", Instance: "self", Grant: ".."},
	} {
		if got := s.mustLoad(t, other); got != nil {
			t.Errorf("%+v has %s", other, got)
		}
		s.mustCommit(t, other, cursors{"z": json.RawMessage(`{}`)})
	}
	if got := s.mustLoad(t, scope); !reflect.DeepEqual(got, want) {
		t.Errorf("another scope's commit changed it: %s", got)
	}
}

// TestCorrupt: what is there is never taken for nothing, and never
// overwritten.
func TestCorrupt(t *testing.T) {
	good := `{"version":1,"scope":{"owner":"Ann","connector_id":"contacts","instance":"default","grant_id":"self"},"state":{"a":{"n":1}}}`
	texts := map[string]string{
		"empty":          "",
		"cut":            good[:len(good)-2],
		"zeros":          strings.Repeat("\x00", 100),
		"null":           "null",
		"no members":     "{}",
		"trailing":       good + "{}",
		"duplicate":      strings.Replace(good, `"a":`, `"a":{},"a":`, 1),
		"other version":  strings.Replace(good, `"version":1`, `"version":2`, 1),
		"unknown member": strings.Replace(good, `{"version"`, `{"more":1,"version"`, 1),
		"other case":     strings.Replace(good, `"state"`, `"State"`, 1),
		"other scope":    strings.Replace(good, `"Ann"`, `"ann"`, 1),
		"no scope":       strings.Replace(good, `"owner":"Ann",`, ``, 1),
		"state null":     strings.Replace(good, `{"a":{"n":1}}`, `null`, 1),
		"state a list":   strings.Replace(good, `{"a":{"n":1}}`, `[]`, 1),
		"deep":           strings.Replace(good, `{"n":1}`, strings.Repeat("[", 100)+strings.Repeat("]", 100), 1),
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			s.mustCommit(t, scope, cursors{"a": json.RawMessage(`{"n":1}`)})
			path := s.dir.Path(fileName(scope))
			if raw, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(raw)) != good {
				t.Fatalf("the file is %s, %v", raw, err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(t.Context(), scope); !errors.Is(err, ErrCorrupt) || got != nil || !strings.Contains(err.Error(), path) {
				t.Errorf("loaded %s, %v", got, err)
			}
			if err := s.Commit(t.Context(), scope, cursors{"b": json.RawMessage(`{}`)}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("committed: %v", err)
			}
			if raw, err := os.ReadFile(path); err != nil || string(raw) != text {
				t.Error("it was overwritten")
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skip: needs unix permissions")
	}
	s := open(t, t.TempDir())
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`{}`)})
	path := s.dir.Path(fileName(scope))
	if err := errors.Join(os.Rename(path, path+".x"), os.Symlink(filepath.Base(path)+".x", path)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), scope); !errors.Is(err, privatedir.ErrUnsafe) || got != nil {
		t.Errorf("loaded %s, %v", got, err)
	}
	if err := s.Commit(t.Context(), scope, cursors{"a": json.RawMessage(`{}`)}); !errors.Is(err, privatedir.ErrUnsafe) {
		t.Errorf("committed: %v", err)
	}
}

func TestBounds(t *testing.T) {
	s := open(t, t.TempDir())
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`{"n":1}`)})
	many := cursors{}
	for i := range MaxStreams {
		many[fmt.Sprint(i)] = json.RawMessage(`1`)
	}
	large := cursors{}
	for i := range MaxBytes/abi.MaxCursorBytes + 1 {
		large[fmt.Sprint(i)] = json.RawMessage(`"` + strings.Repeat("x", abi.MaxCursorBytes-2) + `"`)
	}
	tests := map[string]struct {
		cursors cursors
		want    error
	}{
		"no JSON":      {cursors{"a": json.RawMessage(`{`)}, ErrInvalid},
		"nil":          {cursors{"a": nil}, ErrInvalid},
		"duplicate":    {cursors{"a": json.RawMessage(`{"x":1,"x":2}`)}, ErrInvalid},
		"deep":         {cursors{"a": json.RawMessage(strings.Repeat("[", 65) + strings.Repeat("]", 65))}, ErrInvalid},
		"no name":      {cursors{"": json.RawMessage(`1`)}, ErrInvalid},
		"large cursor": {cursors{"a": json.RawMessage(`"` + strings.Repeat("x", abi.MaxCursorBytes) + `"`)}, privatedir.ErrTooLarge},
		"many streams": {many, privatedir.ErrTooLarge},
		"large state":  {large, privatedir.ErrTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := s.Commit(t.Context(), scope, test.cursors); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if got := s.mustLoad(t, scope); len(got) != 1 || string(got["a"]) != `{"n":1}` {
				t.Errorf("now it is %d streams", len(got))
			}
		})
	}
	deepest := cursors{"a": json.RawMessage(strings.Repeat("[", abi.MaxMessageDepth) + strings.Repeat("]", abi.MaxMessageDepth))}
	s.mustCommit(t, scope, deepest)
	if got := s.mustLoad(t, scope); !reflect.DeepEqual(got, deepest) {
		t.Error("what was committed cannot be loaded")
	}
}

func TestCrashLeavesTheOldState(t *testing.T) {
	s := open(t, t.TempDir())
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`1`)})
	if _, err := s.dir.Stage(fileName(scope), []byte("half of it")); err != nil { // and then the process ends
		t.Fatal(err)
	}
	if got := s.mustLoad(t, scope); string(got["a"]) != "1" {
		t.Errorf("got %s", got)
	}
	s.mustCommit(t, scope, cursors{"a": json.RawMessage(`2`)})
	if left, err := os.ReadDir(filepath.Dir(s.dir.Path(fileName(scope)))); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestContext(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, scope); !errors.Is(err, context.Canceled) {
		t.Errorf("loaded: %v", err)
	}
	unlock, err := s.dir.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := s.Commit(ctx, scope, cursors{"a": json.RawMessage(`1`)}); !errors.Is(err, context.Canceled) {
		t.Errorf("committed: %v", err)
	}
}

// What TestMain makes of the process when it is another one.
const (
	envDir    = "SALLYPORT_TEST_STATE_DIR"
	envStream = "SALLYPORT_TEST_STATE_STREAM"
	// holdStream has it hold the scope instead of committing.
	holdStream = "hold"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(envDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Open(dir)
	if os.Getenv(envStream) == holdStream && err == nil {
		if _, err = s.Hold(context.Background(), scope); err == nil {
			fmt.Println("held")
			time.Sleep(time.Minute) // until it is killed
		}
	}
	for i := 0; err == nil; i++ {
		err = s.Commit(context.Background(), scope, cursors{os.Getenv(envStream): json.RawMessage(fmt.Sprint(i))})
		fmt.Println(i)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestProcessesCommitAndDie: processes that commit different streams of one
// scope lose none of each other's, and may be killed in the middle.
func TestProcessesCommitAndDie(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir())
	const processes, least = 3, 6
	told := make([]int, processes)
	var all sync.WaitGroup
	for p := range processes {
		all.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), envDir+"="+s.dir.Path("."), fmt.Sprintf("%s=stream-%d", envStream, p))
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Error(err)
				return
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				if told[p]++; told[p] == least {
					_ = cmd.Process.Kill()
				}
			}
			_ = cmd.Wait()
		})
	}
	all.Wait()
	got := s.mustLoad(t, scope)
	for p, n := range told {
		var last int
		if err := json.Unmarshal(got[fmt.Sprintf("stream-%d", p)], &last); err != nil || n < least || last < n-1 {
			t.Errorf("process %d said %d, and %d is there, %v", p, n-1, last, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"scope":{"owner":"a","connector_id":"b","instance":"c","grant_id":"d"},"state":{"s":{"n":1}}}`))
	f.Add([]byte(`{"version":1,"scope":{},"state":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parse(again)
		if err != nil || back.Scope != d.Scope || len(back.State) != len(d.State) {
			t.Fatalf("read %+v, wrote and read %+v, %v", d, back, err)
		}
	})
}
