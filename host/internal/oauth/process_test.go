package oauth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// The test binary is its own other process: these variables say where it finds
// the store and the source, and whether it dies before it writes.
const (
	childDir    = "SALLYPORT_TEST_DIR"
	childSource = "SALLYPORT_TEST_SOURCE"
	childDies   = "SALLYPORT_TEST_DIES"
)

// diedBeforeWrite is the exit code of a process that was told to.
const diedBeforeWrite = 7

func TestMain(m *testing.M) {
	if os.Getenv(childDir) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child waits for its start, renews, and prints the access token.
func child() error {
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	f := files{os.Getenv(childDir)}
	p := Provider{TokenURL: os.Getenv(childSource) + "/token", ClientID: "client"}
	var r Renewals
	s, err := r.Renew(context.Background(), Job{Key: "k", Store: f, Lock: f, Journal: f, Refresh: func(ctx context.Context, refresh vaultstore.Secret) (Tokens, error) {
		t, err := newClient().Refresh(ctx, Request{Provider: p, RefreshToken: refresh})
		if err == nil && os.Getenv(childDies) != "" {
			os.Exit(diedBeforeWrite)
		}
		return t, err
	}})
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", s.Access.Reveal())
	return nil
}

// files keeps a state, a mark and a lock in a folder.
type files struct{ dir string }

var (
	_ TokenStore = files{}
	_ Locker     = files{}
	_ Journal    = files{}
)

// stored is a State as it stands in its file.
type stored struct {
	Access, Refresh       string
	ObtainedAt, ExpiresAt time.Time
	Generation            uint64
	Rejected              bool
}

func (f files) Get(context.Context) (State, error) {
	var s stored
	if err := f.read("state", &s); err != nil {
		return State{}, err
	}
	return State{secret(s.Access), secret(s.Refresh), s.ObtainedAt, s.ExpiresAt, s.Generation, s.Rejected}, nil
}

func (f files) Put(ctx context.Context, next State, expect uint64) (uint64, error) {
	now, err := f.Get(ctx)
	if err != nil {
		return 0, err
	}
	if now.Generation != expect {
		return 0, vaultstore.ErrConflict
	}
	return expect + 1, f.write("state", stored{
		string(next.Access.Reveal()), string(next.Refresh.Reveal()), next.ObtainedAt, next.ExpiresAt, expect + 1, next.Rejected})
}

func (f files) Lock(ctx context.Context) (func(), error) {
	l := flock.New(filepath.Join(f.dir, "lock"))
	if ok, err := l.TryLockContext(ctx, 2*time.Millisecond); !ok {
		return nil, errors.Join(err, ctx.Err())
	}
	return func() { _ = l.Unlock() }, nil
}

func (f files) Read(context.Context) (m Mark, err error) {
	if err := f.read("mark", &m); !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	return Mark{}, nil
}

func (f files) Write(_ context.Context, m Mark) error { return f.write("mark", m) }

func (f files) Clear(context.Context) error { return os.Remove(filepath.Join(f.dir, "mark")) }

func (f files) read(name string, v any) error {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// write replaces a file in one step. It need not survive a power cut here.
func (f files) write(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	next := filepath.Join(f.dir, name+".next")
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(f.dir, name))
}

// process is a child that was started.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err bytes.Buffer
}

func startChild(t *testing.T, f files, s *source, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.CommandContext(t.Context(), self)}
	p.cmd.Env = append(os.Environ(), childDir+"="+f.dir, childSource+"="+s.URL)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.err
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	return p
}

// ready waits until the process has come up to its start.
func (p *process) ready(t *testing.T) {
	t.Helper()
	if line, err := p.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v: %s", line, err, &p.err)
	}
}

// finish returns what it printed, and how it ended.
func (p *process) finish(t *testing.T) (string, error) {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), p.cmd.Wait()
}

// Fifty processes want the token of one authorization whose refresh tokens are
// good once: one of them refreshes, all of them get what it brought, and the
// next round finds the rotated token. SOAK=1 goes on for longer.
func TestProcessesRefreshOnce(t *testing.T) {
	processes, rounds := 50, 3
	switch {
	case os.Getenv("SOAK") == "1":
		rounds = 100
	case testing.Short():
		processes, rounds = 10, 2
	}
	s := newSource(t)
	f := files{t.TempDir()}
	if err := f.write("state", stored{Refresh: s.current(), Generation: 1}); err != nil {
		t.Fatal(err)
	}
	for round := 1; round <= rounds; round++ {
		var all []*process
		for range processes {
			all = append(all, startChild(t, f, s))
		}
		for _, p := range all {
			p.ready(t)
		}
		for _, p := range all {
			_ = p.in.Close()
		}
		for _, p := range all {
			if got, err := p.finish(t); err != nil || got != fmt.Sprintf("%s-access-%d", canary, round) {
				t.Errorf("round %d: %q, %v: %s", round, got, err, &p.err)
			}
		}
		s.wantCounts(t, round, 0)
		state, err := f.Get(t.Context())
		if err != nil || string(state.Refresh.Reveal()) != s.current() || state.Generation != uint64(2*round) {
			t.Fatalf("round %d: the rotated token is not stored: generation %d, %v", round, state.Generation, err)
		}
		state.ExpiresAt = time.Unix(1, 0) // so that the next round needs another
		if _, err := f.Put(t.Context(), state, state.Generation); err != nil {
			t.Fatal(err)
		}
	}
}

// A process dies in the one window: the source has answered, nothing is
// written. Its lock is free, and the next process says since when.
func TestProcessDiesBeforeWrite(t *testing.T) {
	s := newSource(t)
	f := files{t.TempDir()}
	if err := f.write("state", stored{Refresh: s.current(), Generation: 1}); err != nil {
		t.Fatal(err)
	}
	died := startChild(t, f, s, childDies+"=1")
	died.ready(t)
	_ = died.in.Close()
	_, err := died.finish(t)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != diedBeforeWrite {
		t.Fatalf("%v: %s", err, &died.err)
	}
	mark, err := f.Read(t.Context())
	if err != nil || mark.Generation != 1 || mark.Since.IsZero() {
		t.Fatalf("the mark is %v, %v", mark, err)
	}
	next := startChild(t, f, s)
	next.ready(t)
	_ = next.in.Close()
	if _, err := next.finish(t); err == nil || !strings.Contains(next.err.String(), mark.Since.UTC().Format(time.RFC3339)) || !strings.Contains(next.err.String(), ErrNeedsReauthorisation.Error()) {
		t.Errorf("%v: %s", err, &next.err)
	}
	if strings.Contains(next.err.String(), canary) {
		t.Errorf("it tells a secret: %s", &next.err)
	}
	s.wantCounts(t, 1, 1)
	if state, err := f.Get(t.Context()); err != nil || !state.Rejected {
		t.Errorf("the dead token is not marked: %v", err)
	}
}
