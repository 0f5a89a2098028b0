// Package demo shows Sallyport at work: the real command line and real
// connectors against a CardDAV server in this process.
//
// # Promise
//
// Everything shown is run as it is shown, in a temporary folder that is gone
// afterwards; nothing outside it is read or written, and nothing but loopback
// is called. A step that ends otherwise than the demo says fails it.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sallyport-host/sallyport/e2e/internal/build"
	"github.com/sallyport-host/sallyport/e2e/internal/dav"
)

// sourceName is what the connectors call the server by. No resolver knows it.
const sourceName = "contacts.test"

// The credentials of the two connectors, as their manifests declare them.
const (
	accountName  = "ACCOUNT"
	passwordName = "APP_PASSWORD"
	tokenName    = "TOKEN"
)

// demo is one showing.
type demo struct {
	stage
	server   *dav.Server
	password string // what opens the server; shown nowhere
	home     string
	records  int
	attempts int
}

// Run shows the demo on out, with what was built.
func Run(ctx context.Context, out io.Writer, colour bool, b build.Built) (err error) {
	d := &demo{stage: stage{out: out, colour: colour, cli: b.CLI}, password: "demo-" + rand.Text()}
	if d.dir, err = os.MkdirTemp("", "sallyport-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	d.home = filepath.Join(d.dir, "home")
	d.env = []string{"SALLYPORT_HOME=" + d.home, "NO_COLOR=1"}
	for _, name := range []string{"PATH", "SystemRoot", "TEMP"} { // what a program cannot do without
		d.env = append(d.env, name+"="+os.Getenv(name))
	}
	for name, dir := range b.Connectors {
		if err := os.CopyFS(filepath.Join(d.dir, name), os.DirFS(dir)); err != nil {
			return err
		}
	}
	if d.server, err = dav.Start("alice", d.password); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()
	if err := d.server.Seed(); err != nil {
		return err
	}
	return d.play(ctx)
}

// play goes through the steps.
func (d *demo) play(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.initialise, d.store, d.approve, d.collect, d.collectAgain, d.revoke, d.nosy, d.audit,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("step %d: %w", d.step, err)
		}
	}
	return d.sum()
}

// option is how the connectors are told where the server is.
func (d *demo) option() string { return "base_url=" + d.server.URL(sourceName) }

// exception lets the name of the server lead to it.
func (d *demo) exception() string { return sourceName + "=" + d.server.Addr().String() }

func (d *demo) initialise(ctx context.Context) error {
	d.heading("The owner makes a vault")
	d.tell("Secrets will rest in age files. The recovery key goes where the owner says.")
	_, err := d.run(ctx, command{args: []string{"init", "--recovery-out", "recovery.txt"}})
	return err
}

func (d *demo) store(ctx context.Context) error {
	d.heading("The owner stores a password")
	d.tell("A contacts server listens on %s; alice gets in with a password made for this demo.", d.server.Addr())
	d.tell("Typed without echo or piped in, a value is never on a command line.")
	if _, err := d.run(ctx, command{args: []string{"vault", "set", "contacts", accountName, "--stdin"}, stdin: "alice", shown: "< account.txt"}); err != nil {
		return err
	}
	_, err := d.run(ctx, command{args: []string{"vault", "set", "contacts", passwordName, "--stdin"}, stdin: d.password, shown: "< password.txt"})
	return err
}

func (d *demo) approve(ctx context.Context) error {
	d.heading("The owner reads what a connector would get, and approves it")
	if _, err := d.run(ctx, command{args: []string{"disclose", "contacts", "--option", d.option()}}); err != nil {
		return err
	}
	d.tell("The approval pins the digests of manifest and module: a changed connector needs a new one.")
	d.tell("(On loopback the demo goes without TLS, which takes --allow-address below; elsewhere it is https.)")
	_, err := d.run(ctx, command{args: []string{"grant", "approve", "contacts", "--option", d.option(), "--yes"}, showErr: nothing})
	return err
}

func (d *demo) collect(ctx context.Context) error {
	d.heading("The connector runs: WebAssembly without environment, files or sockets")
	d.tell("It asks for the password and gets a stand-in, sp1…; the host puts the value in on the way out.")
	var err error
	if d.records, err = d.runContacts(ctx); err != nil {
		return err
	}
	d.tell("One record is shown in full. The server let %d requests in, with the real password.", d.server.Counts().Allowed)
	if d.records == 0 || d.server.Counts().Allowed == 0 {
		return errors.New("no records came")
	}
	return nil
}

func (d *demo) collectAgain(ctx context.Context) error {
	d.heading("It runs again: nothing changed at the source, so nothing comes")
	n, err := d.runContacts(ctx)
	if err == nil && n != 0 {
		err = fmt.Errorf("%d records came", n)
	}
	return err
}

// runContacts runs the connector and returns how many records came.
func (d *demo) runContacts(ctx context.Context) (int, error) {
	out, err := d.run(ctx, command{args: []string{"run", "contacts", "--allow-address", d.exception()}, show: d.contacts})
	if err != nil {
		return 0, err
	}
	came, err := records[contact](out)
	return len(came), err
}

func (d *demo) revoke(ctx context.Context) error {
	d.heading("The owner takes the approval back")
	if _, err := d.run(ctx, command{args: []string{"grant", "revoke", "contacts"}}); err != nil {
		return err
	}
	before := d.server.Counts().Requests
	_, err := d.run(ctx, command{args: []string{"run", "contacts", "--allow-address", d.exception()}, exit: 3})
	if err == nil && d.server.Counts().Requests != before {
		err = errors.New("the server was called")
	}
	return err
}

func (d *demo) nosy(ctx context.Context) error {
	d.heading("A nosy connector, approved by an owner who did not look, tries what it can")
	for _, c := range []command{
		{args: []string{"vault", "set", "nosy", tokenName, "--stdin"}, stdin: d.password, shown: "< password.txt"},
		{args: []string{"grant", "approve", "nosy", "--option", d.option(), "--yes"}, showErr: nothing},
	} {
		if _, err := d.run(ctx, c); err != nil {
			return err
		}
	}
	before := d.server.Counts().Allowed
	out, err := d.run(ctx, command{
		args: []string{"run", "nosy", "--allow-address", d.exception()}, show: d.table,
		showErr: func(text string) {
			d.tell("The owner reads what was refused, why, and what would allow it:")
			d.some(text, "credential BANK_PASSWORD", "a request to https://collect.example")
		},
	})
	if err != nil {
		return err
	}
	attempts, err := records[attempt](out)
	if err != nil {
		return err
	}
	d.attempts = len(attempts)
	if d.server.Counts().Allowed != before {
		return errors.New("the server let the nosy connector in")
	}
	return leaked(attempts)
}

func (d *demo) audit(ctx context.Context) error {
	d.heading("All of it is in the audit log, chained and keyed")
	if _, err := d.run(ctx, command{args: []string{"audit", "verify"}}); err != nil {
		return err
	}
	_, err := d.run(ctx, command{args: []string{"audit", "show", "--connector", "contacts", "--limit", "9"}})
	return err
}

// sum says what was shown, and looks once more for the password.
func (d *demo) sum() error {
	inFiles, files, err := d.searchHome()
	if err != nil {
		return err
	}
	inOutput := count(d.said.Bytes(), d.password)
	fmt.Fprintf(d.out, "\n%s\n", d.paint(bold, "What you saw"))
	for _, line := range []string{
		fmt.Sprintf("%d records collected by a program that never had the password", d.records),
		fmt.Sprintf("the password, in all that was printed above: %d times", inOutput),
		fmt.Sprintf("the password, in the %d files that vault, audit log, approvals and state are kept in: %d times", files, inFiles),
		fmt.Sprintf("%d attempts of a hostile program, none of them successful", d.attempts),
		"an approval taken back, and the next run refused before it called anyone",
	} {
		fmt.Fprintf(d.out, "   %s %s\n", d.paint(green, "✓"), line)
	}
	d.tell("Next: make test. The connector is examples/contacts, the rules are docs/threat-model.md.")
	if inOutput+inFiles > 0 {
		return errors.New("the password is where it must not be")
	}
	return nil
}
