package agefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// A write is stopped after each of its file operations in turn, in every way
// that a process or a machine stops. What is there afterwards is the old entry
// or the new one, and the store goes on.
func TestCrashAtEveryStep(t *testing.T) {
	for _, c := range crashCases() {
		t.Run(c.name, func(t *testing.T) {
			base := newVault(t)
			s := base.openFaulty(&faults{})
			c.setup(t, s)
			everyFault(t, base, c.op, func(t *testing.T, v *vault, how faultKind, err error) {
				checkOutcome(t, v, at("A"), how, err, c.old, c.new)
			})
		})
	}
}

// A writer is killed, the next one goes on from what it left, and then the
// power fails: what the first had not synced is lost as well.
func TestPowerLossAfterKill(t *testing.T) {
	for _, c := range crashCases() {
		t.Run(c.name, func(t *testing.T) {
			base := newVault(t)
			c.setup(t, base.openFaulty(&faults{}))
			everyPair(t, func(t *testing.T, one, two *faults) bool {
				return killThenLose(t, base.copy(t), c, one, two)
			})
		})
	}
}

// everyPair calls try with a first process that is killed at each of its steps
// in turn, and a second that loses power at each of its steps for as long as
// it depends on what the first left. try goes by both plans; it reports
// whether the first process was killed at all.
func everyPair(t *testing.T, try func(t *testing.T, one, two *faults) (killed bool)) {
	for k, killed := 1, true; killed; k += crashStride {
		for _, how := range []faultKind{powerLoss, powerMixed} {
			for j, heir := 1, true; heir; j++ {
				one, two := &faults{at: k, how: killAfter}, &faults{at: j, how: how}
				ok := t.Run(fmt.Sprintf("killed at %d, %s at %d", k, allFaults[how], j), func(t *testing.T) {
					killed = try(t, one, two)
				})
				if !ok {
					t.FailNow()
				}
				heir = two.heir() && two.dead
			}
		}
	}
}

// killThenLose kills c's write as one says, and stops a second write as two
// says.
func killThenLose(t *testing.T, v *vault, c crashCase, one, two *faults) (killed bool) {
	a := at("A")
	s := v.openFaulty(&faults{})
	v.plan(s, one)
	killed = c.op(t.Context(), s) != nil
	if two.inherit(one); killed && !two.heir() {
		return killed // it left nothing that could be lost: TestCrashAtEveryStep
	}
	s = v.openFaulty(&faults{})
	v.plan(s, two)
	// Into the tree that the first wrote to, so that it depends on all of it.
	class := c.new.class
	if class == abi.ClassNone {
		class = token
	}
	_, err := s.Put(t.Context(), entryOf(a, class, "second"), vaultstore.AnyGeneration)
	if !two.dead {
		two.lose()
	}
	s = v.openFaulty(&faults{})
	got := find(t, s, a)
	if err == nil && got.value != "second" || got != c.old && got != c.new && got.value != "second" {
		t.Fatalf("%+v is there, and the put said %v", got, err)
	}
	mustPut(t, s, entryOf(a, session, "third"), vaultstore.AnyGeneration)
	return killed
}

// plan has s go by c from now on.
func (v *vault) plan(s *Store, c *faults) {
	for _, d := range []*disk{s.files, s.keys.fs} {
		d.fsys.(*faultFS).c = c
	}
}

// The same of an Init that is killed, and an Init or Open after it.
func TestPowerLossAfterKilledInit(t *testing.T) {
	everyPair(t, func(t *testing.T, one, two *faults) (killed bool) {
		home := scratch(t)
		v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
		o := InitOptions{KeysDir: v.keys}
		_, err := initialise(t.Context(), v.dir, o, one.wrap(makeRoot))
		killed = err != nil
		two.inherit(one)
		if _, err = open(t.Context(), v.options(), two.wrap(openRoot)); errors.Is(err, vaultstore.ErrNotInitialised) {
			_, err = initialise(t.Context(), v.dir, o, two.wrap(makeRoot))
		}
		if !two.dead {
			two.lose()
		}
		if _, again := Init(t.Context(), v.dir, o); again != nil && !errors.Is(again, fs.ErrExist) || again == nil && err == nil {
			t.Fatalf("the second process said %v, the third %v", err, again)
		}
		mustPut(t, v.openFaulty(&faults{}), entryOf(at("A"), token, "value"), vaultstore.CreateOnly)
		return killed
	})
}

// crashCase is one write that is stopped: what was there before it, and what a
// Get of at("A") finds without it and with it.
type crashCase struct {
	name     string
	setup    func(t *testing.T, s *Store)
	op       func(ctx context.Context, s *Store) error
	old, new outcome
}

func crashCases() []crashCase {
	a, b := at("A"), at("B")
	old := func(t *testing.T, s *Store) { mustPut(t, s, entryOf(a, token, "old"), vaultstore.CreateOnly) }
	put := func(class abi.Class) func(context.Context, *Store) error {
		return func(ctx context.Context, s *Store) error {
			_, err := s.Put(ctx, entryOf(a, class, "new"), vaultstore.AnyGeneration)
			return err
		}
	}
	return []crashCase{
		{"the first put", func(*testing.T, *Store) {}, put(token), outcome{}, outcome{"new", token, 1}},
		{"a second address", func(t *testing.T, s *Store) {
			mustPut(t, s, entryOf(b, token, "other"), vaultstore.CreateOnly)
		}, put(token), outcome{}, outcome{"new", token, 1}},
		{"a second put", old, put(token), outcome{"old", token, 1}, outcome{"new", token, 2}},
		{"the first raise", old, put(session), outcome{"old", token, 1}, outcome{"new", session, 2}},
		{"a raise", func(t *testing.T, s *Store) {
			old(t, s)
			mustPut(t, s, entryOf(b, session, "other"), vaultstore.CreateOnly)
		}, put(session), outcome{"old", token, 1}, outcome{"new", session, 2}},
		{"lower after a delete", func(t *testing.T, s *Store) {
			mustPut(t, s, entryOf(a, session, "old"), vaultstore.CreateOnly)
			if err := s.Delete(t.Context(), a, 1); err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, entryOf(b, token, "other"), vaultstore.CreateOnly)
		}, put(token), outcome{}, outcome{"new", token, 3}},
		{"a delete", old, func(ctx context.Context, s *Store) error {
			return s.Delete(ctx, a, vaultstore.AnyGeneration)
		}, outcome{"old", token, 1}, outcome{}},
	}
}

// outcome is what a Get finds; the zero outcome is nothing.
type outcome struct {
	value      string
	class      abi.Class
	generation uint64
}

func find(t *testing.T, s *Store, a vaultstore.Address) outcome {
	t.Helper()
	e, err := s.Get(t.Context(), a)
	if errors.Is(err, vaultstore.ErrNotFound) {
		return outcome{}
	}
	if err != nil {
		t.Fatalf("after the crash: %v", err)
	}
	return outcome{string(e.Stages[vaultstore.Current].Value.Reveal()), e.Class, e.Generation}
}

// everyFault runs op on copies of base, with the fault one step later each
// time, until it comes to its end without meeting one.
func everyFault(t *testing.T, base *vault, op func(context.Context, *Store) error,
	check func(t *testing.T, v *vault, how faultKind, err error)) {
	for how, name := range allFaults {
		for k, done := 1+int(how)%crashStride, false; !done; k += crashStride {
			ok := t.Run(fmt.Sprintf("%s at %d", name, k), func(t *testing.T) {
				v, c := base.copy(t), &faults{at: k, how: how}
				s := v.openFaulty(&faults{})
				v.plan(s, c)
				err := op(t.Context(), s)
				if done = c.count < k; done {
					if err != nil {
						t.Fatalf("without a fault: %v", err)
					}
					c.lose() // what was said to be durable is
				}
				if done || !c.moot {
					check(t, v, how, err)
				}
			})
			if !ok {
				t.FailNow()
			}
		}
	}
}

func checkOutcome(t *testing.T, v *vault, a vaultstore.Address, how faultKind, err error, old, new outcome) {
	s := v.openFaulty(&faults{})
	got := find(t, s, a)
	switch {
	case got != old && got != new:
		t.Fatalf("got %+v, neither the old %+v nor the new %+v", got, old, new)
	case err == nil && got != new:
		t.Fatalf("the write said that it succeeded, and %+v is there", got)
	case how == failOnce && err != nil && !errors.Is(err, vaultstore.ErrUnknownOutcome) && got != old:
		t.Fatalf("the write said that nothing happened (%v), and %+v is there", err, got)
	}
	listed := 0
	for info, err := range s.List(t.Context(), a.Owner) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Address == a {
			listed++
			if info.Generation != got.generation || info.Class != got.class {
				t.Fatalf("list says class %q, generation %d; get %+v", info.Class, info.Generation, got)
			}
		}
	}
	if (listed == 1) != (got != outcome{}) {
		t.Fatalf("get found %+v, and it is listed %d times", got, listed)
	}
	goesOn(t, v, s, a, max(got.generation, old.generation))
}

// goesOn checks that the store still works, to the last write of all, and that
// no generation comes twice.
func goesOn(t *testing.T, v *vault, s *Store, a vaultstore.Address, last uint64) {
	t.Helper()
	generation := mustPut(t, s, entryOf(a, session, "next"), vaultstore.AnyGeneration)
	if generation <= last {
		t.Fatalf("generation %d after %d", generation, last)
	}
	mustPut(t, s, entryOf(at("C"), token, "more"), vaultstore.AnyGeneration)
	s = v.openFaulty(&faults{})
	if got := find(t, s, a); got != (outcome{"next", session, generation}) {
		t.Fatalf("the next write left %+v", got)
	}
	if data, err := os.ReadFile(v.file(a, token)); err == nil {
		if left, err := Recover(data, v.recovery); err != nil || len(left.Stages) > 0 {
			t.Fatalf("values stay in the class that the entry left: %v", err)
		}
	}
	last = generation
	if err := s.Delete(t.Context(), a, last); err != nil {
		t.Fatal(err)
	}
	if got := find(t, s, a); got != (outcome{}) {
		t.Fatalf("deleted, and %+v is there", got)
	}
	if temps := temporaries(t, v); len(temps) > 0 {
		for range s.List(t.Context(), a.Owner) {
		}
		if temps = temporaries(t, v); len(temps) > 0 {
			t.Fatalf("temporary files stay for good: %q", temps)
		}
	}
}

func temporaries(t *testing.T, v *vault) (all []string) {
	t.Helper()
	for _, dir := range []string{v.dir, v.keys} {
		err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
			if err == nil && isTemp(e.Name()) {
				all = append(all, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestCrashRaisingAMark(t *testing.T) {
	for name, before := range map[string]uint64{"the first": 0, "a second": 3} {
		t.Run(name, func(t *testing.T) {
			base := newVault(t)
			if s := base.openFaulty(&faults{}); before > 0 {
				if err := s.RaiseMark(t.Context(), "alice", "m", before); err != nil {
					t.Fatal(err)
				}
			}
			raise := func(ctx context.Context, s *Store) error { return s.RaiseMark(ctx, "alice", "m", 7) }
			everyFault(t, base, raise, func(t *testing.T, v *vault, how faultKind, err error) {
				s := v.openFaulty(&faults{})
				got, merr := s.Mark(t.Context(), "alice", "m")
				if merr != nil || got != before && got != 7 || err == nil && got != 7 {
					t.Fatalf("the mark is %d, %v; the raise said %v", got, merr, err)
				}
				if err := s.RaiseMark(t.Context(), "alice", "m", 8); err != nil {
					t.Fatal(err)
				}
				if got, err := s.Mark(t.Context(), "alice", "m"); got != 8 || err != nil {
					t.Fatalf("the mark is %d, %v; want 8", got, err)
				}
			})
		})
	}
}

// An Init that was stopped leaves a store, or nothing that hinders the next.
func TestCrashInInit(t *testing.T) {
	for how, name := range allFaults {
		for k := 1; ; k++ {
			home := scratch(t)
			v := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys")}
			c := &faults{at: k, how: how}
			_, err := initialise(t.Context(), v.dir, InitOptions{KeysDir: v.keys}, c.wrap(makeRoot))
			if c.count < k {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			_, err = open(t.Context(), v.options(), openRoot)
			if errors.Is(err, vaultstore.ErrNotInitialised) {
				if _, err = Init(t.Context(), v.dir, InitOptions{KeysDir: v.keys}); err != nil {
					t.Fatalf("%s at %d: the second init: %v", name, k, err)
				}
			} else if err != nil {
				t.Fatalf("%s at %d: %v", name, k, err)
			}
			s := v.openFaulty(&faults{})
			mustPut(t, s, entryOf(at("A"), token, "value"), vaultstore.CreateOnly)
		}
	}
}

// scratch is a folder in memory where there is one: these tests make thousands
// of files, and what a disk would lose they work out themselves.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sallyport-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// openFaulty opens a store whose file operations go by c.
func (v *vault) openFaulty(c *faults) *Store {
	v.t.Helper()
	s, err := open(v.t.Context(), v.options(), c.wrap(openRoot))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = s.Close() })
	return s
}

// copy makes a second vault of the same content.
func (v *vault) copy(t *testing.T) *vault {
	t.Helper()
	home := scratch(t)
	c := &vault{t: t, dir: filepath.Join(home, "vault"), keys: filepath.Join(home, "keys"), recovery: v.recovery}
	copyTree(t, v.dir, c.dir)
	copyTree(t, v.keys, c.keys)
	return c
}

// copyTree copies files and folders, closed to others.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), privateDir)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, privateFile)
	})
	if err != nil {
		t.Fatal(err)
	}
}
