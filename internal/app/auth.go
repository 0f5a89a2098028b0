package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
	"github.com/sallyport-host/sallyport/manifests"
)

// Authorize names an OAuth credential, and how its owner gives the
// authorization.
type Authorize struct {
	Connector string
	Name      string
	GrantFile string
	Device    bool // by a code that is entered on any device
	Browser   bool // open the browser, and do not only print the address
	// OtherAccount takes tokens of another account than those before were of.
	OtherAccount bool
	JSON         bool // what the owner has to do is a line of JSON
	Network      Network
}

// Authorized is the result of [App.Authorize].
type Authorized struct {
	next
	capabilities.Scope
	Name string `json:"name"`
	Verification
}

// Text says what is stored now, and whether the source takes it.
func (r Authorized) Text(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "authorized %s for %s: its tokens are in the vault, and are renewed when they are needed\n", r.Name, r.Connector); err != nil {
		return err
	}
	return r.Verification.Text(w)
}

// Authorize obtains the tokens of an OAuth credential from its owner. It
// waits for the source, not for the keyboard, and so needs no terminal; it
// says what the owner has to do, and ends when that is done, refused or too
// late.
func (a *App) Authorize(ctx context.Context, o Authorize) (Result, error) {
	if o.Device && o.Browser {
		return nil, usage("--device needs no browser of this machine, and --browser opens one; give one of them")
	}
	grant, c, pkg, err := a.openFor(o.GrantFile, o.Connector)
	if err != nil {
		return nil, err
	}
	cred, err := a.authorizable(c, o)
	if err != nil {
		return nil, err
	}
	stores, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	how := host.Authorizer{OtherAccount: o.OtherAccount, Show: func(code, address string) { a.showCode(o, code, address) }}
	if !o.Device {
		how.Open = func(address string) error { return a.showAddress(ctx, o, address) }
	}
	var verified Verification
	err = a.loaded(ctx, stores, pkg, o.Network, func(h *host.Host, loaded *host.Connector) error {
		run := host.RunOptions{Owner: a.Owner, Instance: a.Instance, Grant: grant}
		if err := h.Authorize(ctx, loaded, run, cred.Name, how); err != nil {
			return err
		}
		verified = a.tryOut(ctx, h, loaded, run, cred.Name)
		return nil
	})
	if err != nil {
		return nil, otherAccount(a.localise(err))
	}
	a.remember(c)
	return Authorized{next: next{a.afterGiving(ctx, stores, o.Connector, c)}, Scope: a.scope(c.manifest.ConnectorKey), Name: cred.Name, Verification: verified}, nil
}

// tryOut asks the source whether the new token works, and whose it is. The
// tokens stay what it may say: a new one may take a moment to be known there.
func (a *App) tryOut(ctx context.Context, h *host.Host, c *host.Connector, run host.RunOptions, name string) Verification {
	if !c.CanVerify(name) {
		return Verification{Why: whyNoProbe}
	}
	run.Unattended = true
	account, err := h.VerifyStored(ctx, c, run, name)
	if err != nil {
		return Verification{Why: a.localise(err).Error()}
	}
	return Verification{Verified: true, Account: account}
}

// authorizable finds the credential, and refuses a way that the source does
// not offer before anything is opened.
func (a *App) authorizable(c *connector, o Authorize) (*manifests.Credential, error) {
	named, err := c.credential(o.Name)
	if err != nil {
		return nil, err
	}
	cred := authorized(c.manifest, named.Name)
	switch {
	case cred == nil:
		return nil, usage("%s of %s is given by no authorization; store it with: %s",
			named.Name, c.manifest.ConnectorKey, a.command("vault", "set", o.Connector, named.Name))
	case o.Device && cred.OAuth.DeviceAuthorizationURL == "":
		return nil, usage("the manifest names no device_authorization_url for %s; leave --device out", cred.Name)
	case o.Browser && cred.OAuth.AuthorizationURL == "":
		return nil, usage("the manifest names no authorization_url for %s; leave --browser out", cred.Name)
	}
	return cred, nil
}

// instruction is what --json prints, on stderr, of what the owner has to do.
type instruction struct {
	Authorize struct {
		Address string `json:"address"`
		Code    string `json:"code,omitempty"` // to enter there
	} `json:"authorize"`
}

func (a *App) instruct(address, code string) {
	var line instruction
	line.Authorize.Address, line.Authorize.Code = address, code
	enc := json.NewEncoder(a.Stderr)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(line) // who cannot read it does not go there, and it ends in time
}

// showAddress sends the owner to the address. It is printed, and given to no
// other program unless the owner says so: the command line of a program is
// open to every user of the machine, and whoever has the address before the
// owner has answered can answer in their place, with an account of his own.
func (a *App) showAddress(ctx context.Context, o Authorize, address string) error {
	if terminal.Clean(address, len(address)) != address {
		return refused("the authorization's address holds characters that do not show")
	}
	opened := false
	if o.Browser {
		if err := a.browse(ctx, address); err != nil {
			a.Log.WarnContext(ctx, "no browser was opened", "why", err.Error())
		} else {
			opened = true
		}
	}
	switch {
	case o.JSON:
		a.instruct(address, "")
	case opened:
		fmt.Fprintf(a.person(), "your browser was asked to open this address, for you to answer there:\n\n%s\n\nwaiting for your answer (Ctrl-C ends this)\n", address)
	default:
		fmt.Fprintf(a.person(), "open this address in a browser on this machine, and answer there:\n\n%s\n\nwaiting for your answer (Ctrl-C ends this)\n", address)
	}
	return nil
}

// showCode tells the owner what to enter where. Both are the source's words.
func (a *App) showCode(o Authorize, code, address string) {
	code, address = terminal.Clean(code, maxTitle), terminal.Clean(address, maxMessage)
	if o.JSON {
		a.instruct(address, code)
		return
	}
	fmt.Fprintf(a.person(), "open this address on any device, and enter the code %s there:\n\n%s\n\nwaiting for your answer (Ctrl-C ends this)\n", code, address)
}

func (a *App) browse(ctx context.Context, address string) error {
	if a.Browse != nil {
		return a.Browse(ctx, address)
	}
	return openBrowser(ctx, address)
}

// openBrowser asks the system to open an address. It waits for no browser.
func openBrowser(ctx context.Context, address string) error {
	if !strings.HasPrefix(address, "https://") {
		return fmt.Errorf("only https addresses are opened")
	}
	opener := map[string][]string{
		"darwin":  {"open"},
		"windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if opener == nil {
		opener = []string{"xdg-open"}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), opener[0], append(opener[1:], address)...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", opener[0], err)
	}
	go func() { _ = cmd.Wait() }() // no zombie while this waits; what it says is nobody's concern
	return nil
}
