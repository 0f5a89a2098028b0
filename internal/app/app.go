// Package app is what the command line does: it puts vault, approvals, audit
// log and host together and holds the logic of each command.
//
// # Promise
//
// A command returns a [Result] that can be written as text for a person or as
// one JSON document, or an error that [Exit] maps to one of the documented
// exit codes and that says, in one line, the thing and the remedy. A secret
// enters by a question without echo, a stream or a file, goes to the vault,
// and is in no result, error or log. Nothing asks unless a person is there.
//
// # Limits
//
// An [App] is for one command at a time.
package app

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/home"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// DefaultOwner is who owns things when neither a flag nor the configuration
// says so.
const DefaultOwner = "owner"

// App is one invocation of the program.
type App struct {
	Home   home.Home
	Config home.Config
	// Files opens and makes the stores.
	Files Files
	// Owner, Instance and Grant say whose and which account's; never empty.
	Owner, Instance, Grant string

	// Terminal is nil when nobody is there to answer.
	Terminal *terminal.Terminal
	// Progress shows how a run goes on; nil when nobody looks. RecordsShown
	// says that stdout is on the same screen, where a status line would be
	// written over.
	Progress     *terminal.Screen
	RecordsShown bool
	Stdin        io.Reader
	Stdout       io.Writer
	Stderr       io.Writer
	Log          *slog.Logger
	// Sinks opens what --out names as SCHEME:PATH, by scheme. The program's
	// main fills it in: such a sink brings a database with it.
	Sinks map[string]OpenSink
	// ReadProfile reads a browser's profile, which is a database; nil reads
	// none.
	ReadProfile OpenProfile
	Now         func() time.Time
	// Browse opens an address in the owner's browser; nil is the system's.
	Browse func(ctx context.Context, address string) error
	// Program is how a command line that repeats this one begins: the name
	// of the program and the flags that every command of it needs.
	Program []string

	given Options
}

// Options are what the flags of every command say.
type Options struct {
	Home                   string
	Owner, Instance, Grant string
	LogLevel               string
	JSON                   bool // log lines are JSON
}

// New resolves o and the configuration into an App that keeps its files on
// disk and logs to stderr. The caller fills in how it talks to the person.
func New(o Options, sys home.System, stderr io.Writer) (*App, error) {
	h, err := home.Resolve(o.Home, sys)
	if err != nil {
		return nil, usage("cannot tell where to keep files: %w", err)
	}
	c, err := home.ReadConfig(h.ConfigFile())
	if err != nil {
		return nil, usage("%w", err)
	}
	logger, err := newLogger(first(o.LogLevel, c.LogLevel, defaultLogLevel), o.JSON, stderr)
	if err != nil {
		return nil, err
	}
	a := &App{
		Home:     h,
		Files:    NewFiles(h, logger),
		Log:      logger,
		Stderr:   stderr,
		Config:   c,
		Owner:    first(o.Owner, c.Owner, DefaultOwner),
		Instance: first(o.Instance, c.Instance, vaultstore.DefaultInstance),
		Grant:    first(o.Grant, vaultstore.SelfGrant),
		Now:      time.Now,
		Program:  program(o),
		given:    o,
	}
	return a, a.checkParts()
}

// defaultLogLevel shows what went wrong without being fatal.
const defaultLogLevel = "warn"

func newLogger(level string, asJSON bool, w io.Writer) (*slog.Logger, error) {
	if level == "off" {
		return slog.New(slog.DiscardHandler), nil
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		return nil, usage("log level: use debug, info, warn, error or off")
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, internal("log level: %w", err)
	}
	o := &slog.HandlerOptions{Level: l}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func program(o Options) []string {
	line := []string{"sallyport"}
	for _, f := range [][2]string{
		{"--home", o.Home}, {"--owner", o.Owner}, {"--instance", o.Instance}, {"--grant", o.Grant},
	} {
		if f[1] != "" {
			line = append(line, f[0], f[1])
		}
	}
	return line
}

func (a *App) checkParts() error {
	for _, part := range [][2]string{{"owner", a.Owner}, {"instance", a.Instance}, {"grant", a.Grant}} {
		if err := vaultstore.ValidatePart(part[0], part[1]); err != nil {
			return usage("--%s: %w", part[0], err)
		}
	}
	return nil
}

// command words the command line that carries on from this one.
func (a *App) command(words ...string) string {
	line := append(append([]string{}, a.Program...), words...)
	for i, w := range line {
		line[i] = quote(w)
	}
	return strings.Join(line, " ")
}

// quote makes one word of w for a shell of the Bourne family.
func quote(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if w != "" && strings.TrimFunc(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// localise makes the commands in an error's remedies work here, where --home
// was given: whoever worded them does not know of it.
func (a *App) localise(err error) error {
	if err == nil || a.given.Home == "" {
		return err
	}
	return &localised{err, a.localText(err.Error())}
}

func (a *App) localText(s string) string {
	if a.given.Home == "" {
		return s
	}
	return strings.ReplaceAll(s, "run: sallyport ", "run: sallyport --home "+quote(a.given.Home)+" ")
}

// person is what a person reads: the terminal where one is there, stderr
// elsewhere. Who is asked must also see what about.
func (a *App) person() io.Writer {
	if a.Terminal != nil {
		return a.Terminal.Screen()
	}
	return a.Stderr
}

type localised struct {
	error
	text string
}

func (l *localised) Error() string { return l.text }
func (l *localised) Unwrap() error { return l.error }

func (a *App) scope(connector string) capabilities.Scope {
	return capabilities.Scope{Owner: a.Owner, Connector: connector, Instance: a.Instance, Grant: a.Grant}
}

// confirm asks for a yes. Off a terminal, and unless yes was given as a flag,
// it is an error that says so.
func (a *App) confirm(ctx context.Context, yes bool, question string) error {
	switch {
	case yes:
		return nil
	case a.Terminal == nil:
		return needsOwner("nobody is here to answer %q; run it on a terminal, or give --yes", question)
	}
	ok, err := a.Terminal.Confirm(ctx, question)
	switch {
	case err != nil:
		return asked(err)
	case !ok:
		return needsOwner("not confirmed; nothing was changed")
	}
	return nil
}
