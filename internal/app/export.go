package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/dotenv"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// VaultExport says where the owner's secrets go, unencrypted, for leaving.
type VaultExport struct {
	Dotenv string // a new file, or "-" for stdout
	// Yes and Unencrypted are the answers to the two questions.
	Yes, Unencrypted bool
}

// Exported is the result of [App.VaultExport].
type Exported struct {
	next
	File  string `json:"file"`
	Count int    `json:"count"`
}

// Text says what was written, and what to do with it.
func (e Exported) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "wrote %d values, unencrypted, to %s: delete it as soon as it is not needed\n", e.Count, e.File)
	return err
}

// VaultExport writes everything of the owner's into an environment file. It
// asks twice, and every value is in the audit log before the file is made.
func (a *App) VaultExport(ctx context.Context, o VaultExport) (Result, error) {
	toStdout := o.Dotenv == "-"
	switch {
	case o.Dotenv == "":
		return nil, usage("say where to: --dotenv FILE, or --dotenv - for stdout")
	case toStdout && a.given.JSON:
		return nil, usage("--dotenv - and --json would both write to stdout; name a file")
	}
	if _, err := os.Lstat(o.Dotenv); !toStdout && err == nil {
		return nil, usage("--dotenv %s exists and is not overwritten; name a new file", o.Dotenv)
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	entries, err := a.exported(ctx, stores)
	defer func() {
		for _, e := range entries {
			e.Zero()
		}
	}()
	switch {
	case err != nil:
		return nil, err
	case len(entries) == 0:
		return nil, usage("the vault holds nothing of %s", a.Owner)
	}
	if err := a.confirmExport(ctx, o, len(entries)); err != nil {
		return nil, err
	}
	if err := a.auditExport(ctx, stores, entries); err != nil {
		return nil, err
	}
	text := exportText(entries)
	defer clear(text)
	if toStdout {
		if _, err := a.Stdout.Write(text); err != nil {
			return nil, internal("write to stdout: %w", err)
		}
		return nil, nil
	}
	if err := writeExport(o.Dotenv, text); err != nil {
		return nil, err
	}
	return Exported{File: o.Dotenv, Count: len(entries)}, nil
}

// exported reads what is in use. One that cannot be read ends it: whoever
// leaves must not believe that this is all.
func (a *App) exported(ctx context.Context, stores *Stores) (entries []vaultstore.Entry, err error) {
	for info, err := range stores.Vault.List(ctx, a.Owner) {
		if err != nil {
			return entries, a.unlisted(err)
		}
		if _, ok := info.Stages[vaultstore.Current]; !ok {
			continue
		}
		e, err := stores.Vault.Get(ctx, info.Address)
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y vaultstore.Entry) int {
		return slices.Compare(parts(x.Address), parts(y.Address))
	})
	return entries, nil
}

func parts(at vaultstore.Address) []string {
	return []string{at.Connector, at.Instance, at.Grant, at.Name}
}

func (a *App) confirmExport(ctx context.Context, o VaultExport, n int) error {
	where := o.Dotenv + " (mode 0600)"
	if o.Dotenv == "-" {
		if where = "stdout"; a.RecordsShown {
			where = "THIS SCREEN, where whoever looks on and the terminal's history get them"
		}
	}
	if a.Terminal == nil && (!o.Yes || !o.Unencrypted) {
		return needsOwner("nobody is here to answer whether %d values go unencrypted to %s; run it on a terminal, or give --yes and --unencrypted", n, where)
	}
	if err := a.confirm(ctx, o.Yes, fmt.Sprintf("write %d values of %s to %s?", n, a.Owner, where)); err != nil {
		return err
	}
	return a.confirm(ctx, o.Unencrypted, "they will be unencrypted, for every program of yours to read. go on all the same?")
}

func (a *App) auditExport(ctx context.Context, stores *Stores, entries []vaultstore.Entry) error {
	for _, e := range entries {
		scope := capabilities.Scope{Owner: e.Address.Owner, Connector: e.Address.Connector, Instance: e.Address.Instance, Grant: e.Address.Grant}
		event := host.Event{Time: a.Now().UTC(), Kind: host.EventVault, Scope: scope, Op: "export", Name: e.Address.Name, Class: e.Class, Allowed: true, Version: e.Generation}
		if err := stores.Audit.Append(ctx, event); err != nil {
			return fmt.Errorf("%w; nothing was written", err)
		}
	}
	return nil
}

// exportNames returns the name of each in a file, which has one space of
// names: its own, a longer one where several have that, and a number behind
// where even those meet. No name is there twice: the later value would hide the
// earlier.
func exportNames(entries []vaultstore.Entry) []string {
	key := func(parts ...string) string { return notKey.ReplaceAllString(strings.Join(parts, "_"), "_") }
	count := map[string]int{}
	for _, e := range entries {
		count[key(e.Address.Name)]++
	}
	taken := map[string]bool{}
	names := make([]string, len(entries))
	for i, e := range entries {
		at := e.Address
		name := key(at.Name)
		if count[name] > 1 {
			name = strings.ToUpper(key(parts(at)...))
		}
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "_" + name
		}
		names[i] = name
		for n := 2; taken[names[i]]; n++ {
			names[i] = fmt.Sprint(name, "_", n)
		}
		taken[names[i]] = true
	}
	return names
}

func exportText(entries []vaultstore.Entry) []byte {
	names := exportNames(entries)
	var b bytes.Buffer
	for i, e := range entries {
		at, class := e.Address, string(e.Class)
		if class == "" {
			class = "account name"
		}
		fmt.Fprintf(&b, "# %s, %s, %s: %s\n", notComment.Replace(at.Connector), notComment.Replace(at.Instance), notComment.Replace(at.Grant), class)
		b.WriteString(names[i] + "=")
		b.WriteString(dotenv.Quote(string(e.Stages[vaultstore.Current].Value.Reveal())))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

var (
	notKey     = regexp.MustCompile(`[^A-Za-z0-9_]`)
	notComment = strings.NewReplacer("\n", " ", "\r", " ")
)

// writeExport makes the file; it never overwrites.
func writeExport(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return usage("--dotenv %s exists and is not overwritten; name a new file", path)
	case err != nil:
		return fileError("--dotenv", path, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(path)
		return fileError("--dotenv", path, err)
	}
	return nil
}
