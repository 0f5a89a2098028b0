package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// stage shows what is done: headings, words between, command lines and what
// they print.
type stage struct {
	out    io.Writer
	colour bool
	cli    string   // the program
	dir    string   // where it is run
	env    []string // all of its environment
	step   int
	said   bytes.Buffer // everything that commands printed
}

// The colours, as escape sequences.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	reset = "\x1b[0m"
)

func (s *stage) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return colour + text + reset
}

// heading begins a numbered step.
func (s *stage) heading(format string, args ...any) {
	s.step++
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf("%d. ", s.step)+fmt.Sprintf(format, args...)))
}

// tell explains, in the demo's own words.
func (s *stage) tell(format string, args ...any) {
	fmt.Fprintf(s.out, "   %s\n", s.paint(dim, fmt.Sprintf(format, args...)))
}

// command is one call of the program and how it should end.
type command struct {
	args  []string
	stdin string // what is piped in, if anything
	shown string // how that is written on the command line: "< password.txt"
	exit  int    // the exit code that is expected
	// show and showErr show what it prints on stdout and stderr; nil shows it
	// as it is.
	show, showErr func(text string)
}

// run shows a command line, runs it, shows what it prints, and returns what
// it wrote to stdout. It is an error when it ends otherwise than expected.
func (s *stage) run(ctx context.Context, c command) (string, error) {
	line := "sallyport " + strings.Join(quoted(c.args), " ")
	if c.shown != "" {
		line += " " + c.shown
	}
	fmt.Fprintf(s.out, "%s\n", s.paint(cyan, "$ "+line))
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.cli, c.args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	s.said.Write(stdout.Bytes())
	s.said.Write(stderr.Bytes())
	if c.show == nil {
		c.show = s.show
	}
	if c.showErr == nil {
		c.showErr = s.show
	}
	c.show(stdout.String())
	c.showErr(stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if got := cmd.ProcessState.ExitCode(); got != c.exit {
		return "", fmt.Errorf("%s: exit code %d, expected %d", line, got, c.exit)
	}
	if c.exit != 0 {
		s.tell("exit code %d", c.exit)
	}
	return stdout.String(), nil
}

// show writes what a command printed, indented.
func (s *stage) show(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(s.out, "   %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// nothing shows nothing.
func nothing(string) {}

// some shows the refusals that begin with one of prefixes, and counts the
// others.
func (s *stage) some(text string, prefixes ...string) {
	more := 0
	for line := range strings.Lines(text) {
		begins := func(prefix string) bool { return strings.HasPrefix(line, prefix) }
		switch {
		case slices.ContainsFunc(prefixes, begins):
			s.show(line)
		case strings.Contains(line, " refused: "):
			more++
		}
	}
	s.show(fmt.Sprintf("… and %d more", more))
}

// quoted writes arguments as a shell would take them.
func quoted(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if a == "" || strings.ContainsAny(a, " '\"$*<>|&;()") {
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return out
}
