package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

func TestOfferInit(t *testing.T) {
	for name, tt := range map[string]struct {
		keys string
		want Code
		made bool
	}{
		"yes, kept":     {"y\n\ny\n", OK, true},
		"yes, not kept": {"y\n\nn\n", NeedsOwner, false},
		"no":            {"n\n", NeedsOwner, false},
		"end of input":  {"y\n\x04", NeedsOwner, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.files.made = false
			seen := f.at(t, tt.keys)
			_, err := f.VaultList(t.Context())
			if Exit(err) != tt.want || f.files.made != tt.made {
				t.Errorf("got %v, made %v", err, f.files.made)
			}
			if tt.made && !strings.Contains(seen(), "AGE-SECRET-KEY-"+canary) {
				t.Error("the recovery identity was not shown")
			}
			if strings.Contains(f.out.String()+f.errs.String(), canary) {
				t.Error("the recovery identity is on stdout or stderr")
			}
		})
	}
}

// The recovery file goes only when there is surely no vault that it opens.
func TestRecoveryFileOfAFailedInit(t *testing.T) {
	fault := errors.New("disk full")
	for name, tt := range map[string]struct {
		files failingInit
		kept  bool
	}{
		"no vault was made":         {failingInit{err: fault}, false},
		"a vault may be there":      {failingInit{err: fault, made: true}, true},
		"it cannot be told":         {failingInit{err: fault, look: fault}, true},
		"another's was there first": {failingInit{err: fmt.Errorf("%w: made meanwhile", fs.ErrExist), made: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.files.made = false
			tt.files.memoryFiles = f.files
			f.App.Files = &tt.files
			path := filepath.Join(t.TempDir(), "recovery")
			_, err := f.Init(t.Context(), Init{RecoveryOut: path})
			if err == nil {
				t.Fatal("init went ahead")
			}
			if _, look := os.Stat(path); (look == nil) != tt.kept {
				t.Errorf("the file is there: %v, want %v", look == nil, tt.kept)
			}
			if strings.Contains(err.Error(), "keep "+path) != tt.kept {
				t.Errorf("what to do with the file: %v", err)
			}
		})
	}
}

// failingInit fails, and may have made a vault all the same.
type failingInit struct {
	*memoryFiles
	err, look error
	made      bool
	tried     bool
}

func (f *failingInit) Init(context.Context, string) error { f.tried = true; return f.err }
func (f *failingInit) Exists() (bool, error) {
	if !f.tried {
		return false, nil
	}
	return f.made, f.look
}

func TestRecoveryFileIsDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recovery")
	identity := vaultstore.NewSecret([]byte(canary))
	synced := ""
	abs, err := writeRecovery(path, identity, "age1test", func(dir string) error { synced = dir; return nil })
	if err != nil || synced != filepath.Dir(abs) {
		t.Errorf("%v; synced %q, want the file's folder", err, synced)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fault := errors.New("disk full")
	if _, err := writeRecovery(path, identity, "age1test", func(string) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file that may not last was left")
	}
	if err := syncFolder(t.TempDir()); err != nil {
		t.Error(err)
	}
}
