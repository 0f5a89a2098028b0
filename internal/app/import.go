package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/dotenv"
	"github.com/sallyport-host/sallyport/internal/inventory"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// VaultImport says what to take in.
type VaultImport struct {
	Sources    []string // environment files, storage states, browser profiles
	Manifests  []string // folders of manifests
	Connectors []string // take in nothing of others; empty is all
	Yes        bool     // the table is approved
	Replace    bool     // values that are stored and differ
	Delete     bool     // what was taken in goes from the files, unasked
	DryRun     bool
}

// What becomes of a row.
const (
	ActionStore   = "store"
	ActionReplace = "replace"
	ActionSame    = "same"    // it is stored already
	ActionRefused = "refused" // the vault or its rules do not take it
	ActionLeft    = "left"    // it is nothing that was looked for
)

// ImportRow is one thing that was found, never its value.
type ImportRow struct {
	Source    string    `json:"source"`
	Line      int       `json:"line,omitempty"`
	Key       string    `json:"key"`
	Connector string    `json:"connector,omitempty"`
	Name      string    `json:"name,omitempty"`
	Class     abi.Class `json:"class,omitempty"`
	Number    int       `json:"class_number,omitempty"` // 1, 2 or 3
	Identity  bool      `json:"identity,omitempty"`
	Action    string    `json:"action"`
	Why       string    `json:"why,omitempty"`
	Note      string    `json:"note,omitempty"`

	source  *importSource
	entry   *dotenv.Entry
	value   vaultstore.Secret
	slot    *slot
	old     vaultstore.Entry
	follows bool // it goes when the later line of its key goes
	unkept  bool // the vault keeps nothing of its class: Why is the same for all of it
}

// to says where the row goes.
func (r *ImportRow) to(a *App, d declaration) {
	r.Connector, r.Name, r.slot, r.Action = d.connector, d.name, a.slotOf(d), ActionStore
	r.classed(d.class)
}

func (r *ImportRow) classed(c abi.Class) {
	r.Class, r.Number, r.Identity = c, inventory.Number(c), c == abi.ClassNone
}

// isKept reports whether the vault has the row's value.
func (r *ImportRow) isKept() bool {
	return r.Action == ActionStore || r.Action == ActionReplace || r.Action == ActionSame
}

// Imported is the result of [App.VaultImport].
type Imported struct {
	next
	DryRun  bool         `json:"dry_run,omitempty"`
	Rows    []*ImportRow `json:"rows"`
	Stored  int          `json:"stored"`
	Same    int          `json:"same"`
	Refused int          `json:"refused"`
	Left    int          `json:"left"`
	Cleanup []string     `json:"cleanup"` // what to delete, and what was

	shown bool // the table, before the question
}

// Text writes the table, unless it was shown, and what is left to do.
func (i Imported) Text(w io.Writer) error {
	if !i.shown {
		if err := table(w, i.Rows); err != nil {
			return err
		}
	}
	verb := "stored"
	if i.DryRun {
		verb = "would be stored"
	}
	_, err := fmt.Fprintf(w, "%d %s, %d there already, %d refused, %d left\n", i.Stored, verb, i.Same, i.Refused, i.Left)
	for _, line := range i.Cleanup {
		if err == nil {
			_, err = fmt.Fprintln(w, line)
		}
	}
	return err
}

func table(w io.Writer, rows []*ImportRow) error {
	lines := make([][]string, len(rows))
	var notes []string
	for i, r := range rows {
		at := filepath.Base(r.Source)
		if r.Line > 0 {
			at += ":" + strconv.Itoa(r.Line)
		}
		class := ""
		if r.slot != nil {
			if class = "account name"; !r.Identity {
				class = fmt.Sprintf("%d %s", r.Number, strings.ToLower(terminal.ClassWords(r.Class)))
			}
		}
		why := r.Why
		if r.unkept {
			why = "this vault keeps none; see below"
			if note := fmt.Sprintf("class %d: %s", r.Number, r.Why); !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
		if r.Note != "" {
			why = strings.TrimPrefix(why+"; "+r.Note, "; ")
		}
		lines[i] = []string{terminal.Clean(at, maxTitle), terminal.Clean(r.Key, maxTitle), r.Connector, r.Name, class, r.Action, why}
	}
	err := terminal.Table(w, []string{"FROM", "KEY", "CONNECTOR", "CREDENTIAL", "CLASS", "ACTION", "WHY"}, lines)
	for _, note := range notes {
		if err == nil {
			_, err = fmt.Fprintln(w, note)
		}
	}
	return err
}

// VaultImport takes secrets in that lie about in files: each where a connector
// declares it, in a class of its own. A crash in between leaves some stored
// and the files as they are; to import again then stores the rest.
func (a *App) VaultImport(ctx context.Context, o VaultImport) (Result, error) {
	if len(o.Sources) == 0 {
		return nil, usage("give the file to import, such as .env.local")
	}
	cat, err := a.catalogue(o.Manifests, o.Connectors)
	if err != nil {
		return nil, err
	}
	var rows []*ImportRow
	var sources []*importSource
	for _, path := range o.Sources {
		s, err := a.readSource(ctx, path)
		if err != nil {
			return nil, err
		}
		defer s.zero()
		sources = append(sources, s)
		rows = append(rows, a.find(s, cat)...)
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	if err := a.plan(ctx, stores, rows, o.Replace); err != nil {
		return nil, err
	}
	done := Imported{DryRun: o.DryRun, Rows: rows, Cleanup: []string{}}
	if !o.DryRun {
		if err := a.approveImport(ctx, rows, o.Yes, &done); err != nil {
			return nil, err
		}
		if err := a.storeRows(ctx, stores, rows); err != nil {
			return nil, err
		}
		done.Cleanup = a.cleanUp(ctx, sources, rows, o)
	}
	done.count()
	return done, nil
}

func (i *Imported) count() {
	for _, r := range i.Rows {
		switch r.Action {
		case ActionStore, ActionReplace:
			i.Stored++
		case ActionSame:
			i.Same++
		case ActionRefused:
			i.Refused++
		default:
			i.Left++
		}
	}
}

// plan settles what becomes of each row that has a place.
func (a *App) plan(ctx context.Context, stores *Stores, rows []*ImportRow, replace bool) error {
	planned := map[vaultstore.Address]*ImportRow{}
	for _, r := range rows {
		if r.slot == nil {
			continue
		}
		if first := planned[r.slot.address]; first != nil {
			r.again(first)
			continue
		}
		planned[r.slot.address] = r
		if err := a.planRow(ctx, stores, r, replace); err != nil {
			return err
		}
	}
	return nil
}

// again is for a second row of one credential, under another of its names.
func (r *ImportRow) again(first *ImportRow) {
	if !first.value.Equal(r.value) {
		r.refuse(first.Key + " is the same credential, with another value: delete one of the two")
		first.refuse(r.Key + " is the same credential, with another value: delete one of the two")
		return
	}
	r.Action, r.Why = first.Action, first.Why
	r.classed(first.Class)
	if r.isKept() {
		r.Action, r.Why = ActionSame, "as "+first.Key
	}
}

func (r *ImportRow) refuse(why string) { r.Action, r.Why = ActionRefused, why }

func (a *App) planRow(ctx context.Context, stores *Stores, r *ImportRow, replace bool) error {
	old, err := current(ctx, stores.Vault, r.slot.address)
	if err != nil && !errors.Is(err, vaultstore.ErrSealed) {
		return err
	}
	if err != nil {
		old = vaultstore.Entry{Address: r.slot.address}
	}
	r.old = old
	refusal := r.slot.raise(stores.Vault, old)
	r.classed(r.slot.class)
	stored, has := old.Stages[vaultstore.Current]
	invalid := r.slot.valid(r.value.Reveal())
	switch {
	case err != nil:
		r.refuse(err.Error())
	case refusal != nil:
		r.unkept = errors.Is(refusal, vaultstore.ErrClass)
		why := refusal.Error()
		_, r.Why, _ = strings.Cut(why, ": ")
		r.refuse(a.localText(first(r.Why, why)))
	case has && stored.Value.Equal(r.value):
		r.Action, r.Why = ActionSame, ""
	case invalid != nil:
		r.refuse(invalid.Error())
	case has && !replace:
		r.refuse("another value is stored; give --replace to put this one in its place")
	case has:
		r.Action = ActionReplace
	}
	return nil
}

// approveImport shows the table and has the owner approve it, when there is
// something to store.
func (a *App) approveImport(ctx context.Context, rows []*ImportRow, yes bool, done *Imported) error {
	n := 0
	for _, r := range rows {
		if r.Action == ActionStore || r.Action == ActionReplace {
			n++
		}
	}
	if n == 0 || yes {
		return nil
	}
	if err := table(a.person(), rows); err != nil {
		return internal("write the table: %w", err)
	}
	done.shown = true
	return a.confirm(ctx, false, fmt.Sprintf("store %d of these in the vault?", n))
}

// storeRows stores one by one, each whole and durable.
func (a *App) storeRows(ctx context.Context, stores *Stores, rows []*ImportRow) error {
	stored := 0
	for _, r := range rows {
		if r.Action != ActionStore && r.Action != ActionReplace {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w after %d were stored; the files are as they were, and to import again stores the rest", err, stored)
		}
		if _, err := a.put(ctx, stores, r.slot, r.old, vaultstore.Version{Value: r.value}, false); err != nil {
			return fmt.Errorf("%s of %s: %w; %d were stored before; the files are as they were, and to import again stores the rest", r.Name, r.Connector, err, stored)
		}
		stored++
	}
	return nil
}

// namesOf lists the keys of rows, each once.
func namesOf(rows []*ImportRow) string {
	var names []string
	for _, r := range rows {
		if name := terminal.Clean(r.Key, maxTitle); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
