package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// canary is the secret of every script: no output and no file may hold it.
const canary = "canary-7c1e5b90d2"

// noExitSleep spares each run of the program the second that a race build
// waits before it exits.
const noExitSleep = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main, "xdg-open": fakeBrowser})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(3 * time.Minute), // a question that nobody answers would wait for ever
		Setup: func(env *testscript.Env) error {
			env.Setenv("SALLYPORT_HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("CANARY", canary)
			env.Setenv("GORACE", noExitSleep)
			return setup(env.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     codeCommand,
			"copytree": copyTree,
			"guest":    guestCommand,
			"sealed":   sealedCommand,
			"replace":  replaceCommand,
			"mode":     modeCommand,
			"chop":     chopCommand,
			"tear":     tearCommand,
			"source":   sourceCommand,
			"profile":  profileCommand,
		},
	})
}

// setup gives each script a connector in ./notes and a secret in ./secret.
func setup(dir string) error {
	manifest, err := os.ReadFile(filepath.Join("testdata", "notes.json"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(filepath.Join(dir, "notes"), 0o755),
		os.WriteFile(filepath.Join(dir, "notes", "manifest.json"), manifest, 0o644),
		os.WriteFile(filepath.Join(dir, "notes", "collector.wasm"), guestKinds["notes"].bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "secret"), []byte(canary+"\n"), 0o600),
	)
}

// codeCommand is "code N sallyport …": it runs the program, demands the exit
// code N, that the canary is in no output, and, where --json is given, that
// there is nothing but JSON.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if strings.Contains(ts.ReadFile("stderr"), "goroutine ") {
		ts.Fatalf("it panicked")
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(stream), canary) {
			ts.Fatalf("the canary is in %s", stream)
		}
	}
	if slices.Contains(args, "--json") {
		ts.Check(onlyJSON(ts))
	}
}

// onlyJSON demands one document on stdout, or none, and nothing but lines of
// JSON on stderr.
func onlyJSON(ts *testscript.TestScript) error {
	if out := ts.ReadFile("stdout"); out != "" && !json.Valid([]byte(out)) {
		return fmt.Errorf("stdout is not one JSON document: %q", out)
	}
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if !json.Valid([]byte(line)) {
			return fmt.Errorf("a line of stderr is not JSON: %q", line)
		}
	}
	return nil
}

// sealedCommand is "sealed DIR…": no file below may hold the canary.
func sealedCommand(ts *testscript.TestScript, neg bool, args []string) {
	files := 0
	for _, dir := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(canary)) || strings.Contains(path, canary) {
				ts.Fatalf("the canary is in %s", path)
			}
			return err
		}))
	}
	if neg || files == 0 {
		ts.Fatalf("usage: sealed DIR… (with files in it)")
	}
}

// replaceCommand is "replace GLOB OLD NEW": it edits files in place.
func replaceCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace GLOB OLD NEW")
	}
	paths, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	changed := false
	for _, path := range paths {
		b, err := os.ReadFile(path)
		ts.Check(err)
		next := bytes.ReplaceAll(b, []byte(args[1]), []byte(args[2]))
		changed = changed || !bytes.Equal(b, next)
		ts.Check(os.WriteFile(path, next, 0o600))
	}
	if !changed {
		ts.Fatalf("nothing in %v holds %q", paths, args[1])
	}
}

// modeCommand is "mode PERM FILE": the file's permissions must be PERM.
func modeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERM FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// chopCommand is "chop FILE": it takes the last line away.
func chopCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: chop FILE")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b = b[:bytes.LastIndexByte(bytes.TrimRight(b, "\n"), '\n')+1]
	ts.Check(os.WriteFile(path, b, 0o600))
}

// tearCommand is "tear FILE": it adds the beginning of a line, as a crash
// leaves it.
func tearCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tear FILE")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_APPEND, 0)
	ts.Check(err)
	_, err = f.WriteString(`{"seq"`)
	ts.Check(errors.Join(err, f.Close()))
}

// copyTree copies folders, with what is in them and its permissions, into the
// last one given.
func copyTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: copytree DIR... INTO")
	}
	into := ts.MkAbs(args[len(args)-1])
	for _, arg := range args[:len(args)-1] {
		from := ts.MkAbs(arg)
		ts.Check(filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(filepath.Dir(from), path)
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if d.IsDir() {
				return os.MkdirAll(filepath.Join(into, rel), info.Mode().Perm())
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(into, rel), data, info.Mode().Perm())
		}))
	}
}
