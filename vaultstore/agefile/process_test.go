package agefile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/storetest"
)

// The test binary is its own other process: these variables say what it does,
// and where.
const (
	childMode = "SALLYPORT_TEST_CHILD"
	childDir  = "SALLYPORT_TEST_DIR"
	childKeys = "SALLYPORT_TEST_KEYS"
)

// increments is how often each process of TestProcessesShare counts up.
const increments = 12

func TestMain(m *testing.M) {
	mode := os.Getenv(childMode)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := child(mode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(mode string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: os.Getenv(childDir), KeysDir: os.Getenv(childKeys), LockWait: time.Minute})
	if err != nil {
		return err
	}
	defer s.Close()
	switch mode {
	case "increment":
		for range increments {
			if err := storetest.Increment(ctx, s, at("COUNTED")); err != nil {
				return err
			}
		}
		return s.RaiseMark(ctx, "alice", "m", increments)
	case "first":
		_, err := s.Put(ctx, entryOf(at("FIRST"), token, "value"), vaultstore.CreateOnly)
		if errors.Is(err, vaultstore.ErrConflict) {
			fmt.Println("conflict")
			return nil
		}
		return err
	case "write":
		return writeForEver(ctx, s)
	case "hold":
		release, err := s.lock(ctx, "alice")
		if err != nil {
			return err
		}
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin)
		release()
		return nil
	}
	return fmt.Errorf("no mode %q", mode)
}

// writeForEver puts each generation's number at its generation and says so
// once it is durable, until the process is killed.
func writeForEver(ctx context.Context, s *Store) error {
	var last uint64
	if e, err := s.Get(ctx, at("WRITTEN")); err == nil {
		last = e.Generation
	}
	for {
		next := last + 1
		got, err := s.Put(ctx, entryOf(at("WRITTEN"), token, strconv.FormatUint(next, 10)), last)
		if err != nil || got != next {
			return fmt.Errorf("generation %d: %d, %w", next, got, err)
		}
		fmt.Println(next)
		last = next
	}
}

func (v *vault) child(mode string) *exec.Cmd {
	v.t.Helper()
	self, err := os.Executable()
	if err != nil {
		v.t.Fatal(err)
	}
	cmd := exec.CommandContext(v.t.Context(), self)
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+v.dir, childKeys+"="+v.keys)
	cmd.Stderr = os.Stderr
	return cmd
}

// Several processes count one value up, and no update is lost.
func TestProcessesShare(t *testing.T) {
	const processes = 4
	v := newVault(t)
	s := v.open()
	mustPut(t, s, entryOf(at("COUNTED"), token, "0"), vaultstore.CreateOnly)
	var all []*exec.Cmd
	for range processes {
		cmd := v.child("increment")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if value, generation := current(t, s, at("COUNTED")); value != strconv.Itoa(processes*increments) || generation != 1+processes*increments {
		t.Errorf("%d processes counted to %s, at generation %d", processes, value, generation)
	}
	if got, err := s.Mark(t.Context(), "alice", "m"); got != increments || err != nil {
		t.Errorf("the mark is %d, %v", got, err)
	}
}

// Several processes store an owner's first credential at once: there is one
// identity, and one of them comes through.
func TestProcessesMakeOneIdentity(t *testing.T) {
	v := newVault(t)
	var all []*exec.Cmd
	var out []*strings.Builder
	for range 4 {
		cmd, b := v.child("first"), new(strings.Builder)
		cmd.Stdout = b
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all, out = append(all, cmd), append(out, b)
	}
	conflicts := 0
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		conflicts += strings.Count(out[i].String(), "conflict")
	}
	if conflicts != len(all)-1 {
		t.Errorf("%d of %d lost the race", conflicts, len(all))
	}
	if value, _ := current(t, v.open(), at("FIRST")); value != "value" {
		t.Error("the value is another one")
	}
}

// A writer is killed again and again, wherever it is: what it said is durable
// is there, and at most the write it was in. SOAK=1 goes on for longer.
func TestKilledWriter(t *testing.T) {
	rounds := 12
	if os.Getenv("SOAK") == "1" {
		rounds = 1000
	}
	v := newVault(t)
	var last uint64
	for range rounds {
		cmd := v.child("write")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for stop := 1 + rand.IntN(8); stop > 0 && lines.Scan(); stop-- {
			last, _ = strconv.ParseUint(lines.Text(), 10, 64)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before the kill reached it
			last, _ = strconv.ParseUint(lines.Text(), 10, 64)
		}
		_ = cmd.Wait()
		s := v.open()
		value, generation := current(t, s, at("WRITTEN"))
		if generation != last && generation != last+1 || value != strconv.FormatUint(generation, 10) {
			t.Fatalf("durable was generation %d; %d is there", last, generation)
		}
		for _, err := range s.List(t.Context(), "alice") {
			if err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		last = generation
	}
}

// Who waits for another process is let go by the context, by the store's own
// limit, and by Close.
func TestLocked(t *testing.T) {
	v := newVault(t)
	cmd := v.child("hold")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	put := func(ctx context.Context, s *Store) error {
		_, err := s.Put(ctx, entryOf(at("A"), token, "value"), vaultstore.CreateOnly)
		return err
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("a cause of its own"))
	defer cancel()
	if err := put(ctx, v.open()); !errors.Is(err, vaultstore.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context ended: %v", err)
	}
	options := v.options()
	options.LockWait = 20 * time.Millisecond
	s, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := put(t.Context(), s); !errors.Is(err, vaultstore.ErrLocked) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the store's limit was over: %v", err)
	}
	closing, done := v.open(), make(chan error)
	go func() { done <- put(t.Context(), closing) }()
	for len(closing.locks.turn(ownerLock("alice"))) == 0 { // until it waits
		time.Sleep(time.Millisecond)
	}
	if err := closing.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, vaultstore.ErrClosed) {
		t.Errorf("the store was closed: %v", err)
	}
	if _, err := s.Get(t.Context(), at("A")); !errors.Is(err, vaultstore.ErrNotFound) {
		t.Errorf("a reader waited for a lock: %v", err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), s); err != nil {
		t.Errorf("after the lock was let go: %v", err)
	}
}
