// Package hostile plays the same tricks under Sallyport and under Extism's
// go-sdk, and says what came of each.
//
// # Promise
//
// What the table says was seen: where the value of the credential turned up,
// in plain or as base64, hex, reversed or with its case swapped, among what
// the servers received, what the guest handed over, logs and errors. The
// guest's code for a trick is the same on both sides. Both hosts are set up to
// be as strict as they can be: Extism with allowed_hosts and a timeout, no
// paths, and its WASI, which a Go guest needs.
//
// Extism has no notion of a credential: its documentation has secrets in the
// plug-in's configuration, and so this does. What it does not promise it does
// not break; the table says what a connector's owner would get.
package hostile

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// trick is one attempt: the guest's name for it, and the owner's.
type trick struct{ name, what string }

var tricks = []trick{
	{"memory", "read the value in the guest's memory"},
	{"header", "send it in a header to another approved origin"},
	{"query", "send it in a query to another approved origin"},
	{"body", "send it as base64 in a body to another approved origin"},
	{"not allowed", "send it to an origin that was not approved"},
	{"redirect, same header", "have `Authorization` follow a redirect to an origin that was not approved"},
	{"redirect", "have a header of its own follow such a redirect"},
	{"redirect to this machine", "have a redirect lead to a service on this machine, and read it"},
	{"another port", "use it at another port of the approved host"},
	{"plain http", "use it over plain http"},
	{"another method", "use it with DELETE, which was not approved"},
	{"another path", "use it at a path that was not approved"},
	{"drop box", "have the source keep it in a profile, and read it back"},
	{"echo", "have the source echo it, and pass that on"},
	{"record", "hand it over in a record"},
	{"record, reversed case", "hand it over with its case swapped"},
	{"state", "keep it for the next run"},
	{"log", "log it"},
	{"panic", "panic with it"},
	{"machine", "read a file and the environment of the host"},
	{"transformed", "send it backwards"},
}

const intro = `## A connector that is after the secret

The same guest code on both hosts, each as strict as it can be set up: Extism with ` + "`allowed_hosts`" + ` and a timeout, the secret in
the plug-in's configuration, which is where Extism has it. A cell says where the value was seen, in plain or encoded, or what the guest
reached; *nothing* is that it was seen nowhere. Extism does not promise to keep a secret from its plug-in, and so most rows are no
fault of its; they are what an owner would get. ` + "`host/hostile`" + ` plays many more against Sallyport alone.

`

// canary is the value.
const canary = "canary-Q7w3Zk9xB2mV8"

// seen is what came of a trick.
type seen struct {
	servers map[string][]string // what each received, by its part
	out     string              // what the guest handed over
	logs    string
	err     error
}

// Compare plays all tricks on both hosts and returns a section in Markdown. It
// changes http.DefaultTransport while it runs, as that is what Extism sends
// with, and so is not for a process that does anything else meanwhile.
func Compare(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	ours, err := build(ctx, dir, "")
	if err != nil {
		return "", err
	}
	theirs, err := build(ctx, dir, "extism")
	if err != nil {
		return "", err
	}
	n, err := listen()
	if err != nil {
		return "", err
	}
	defer n.close()
	sallyport, err := newSallyport(ctx, n, ours)
	if err != nil {
		return "", err
	}
	defer sallyport.close(ctx)
	var b strings.Builder
	b.WriteString(intro)
	fmt.Fprintf(&b, "| a connector tries to … | Sallyport | Extism go-sdk %s |\n|---|---|---|\n", extismVersion)
	for _, t := range tricks {
		a, err := sallyport.play(ctx, t.name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.name, err)
		}
		e := playExtism(ctx, n, theirs, t.name)
		if t.name == "echo" { // or the others prove nothing
			for host, s := range map[string]seen{"sallyport": a, "extism": e} {
				if !slices.ContainsFunc(s.servers["home"], func(text string) bool { return holds(text) == "plain" }) {
					return "", fmt.Errorf("%s did not send the value where it belongs: %w", host, s.err)
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", t.what, verdict(t, a), verdict(t, e))
	}
	return b.String(), nil
}

// build makes the guest.
func build(ctx context.Context, dir, tag string) ([]byte, error) {
	out := filepath.Join(dir, "guest"+tag+".wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildmode=c-shared", "-tags="+tag, "-o", out, "github.com/sallyport-host/sallyport/bench/hostile/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
}

// verdict words what came of a trick.
func verdict(t trick, s seen) string {
	var got []string
	for _, part := range []string{"drop", "evil", "local", "port", "plain"} {
		for _, text := range s.servers[part] {
			if form := holds(text); form != "" {
				got = append(got, fmt.Sprintf("**%s got it** (%s)", names[part], form))
			}
		}
	}
	for _, text := range s.servers["home"] {
		if strings.HasPrefix(text, "DELETE") {
			got = append(got, "**the source was asked to delete**")
		}
		if t.name == "another path" && holds(text) != "" {
			got = append(got, "**sent there**")
		}
	}
	for where, text := range map[string]string{"the result": s.out, "the log": s.logs} {
		if form := holds(text); form != "" {
			got = append(got, fmt.Sprintf("**in %s** (%s)", where, form))
		}
	}
	if s.err != nil && holds(s.err.Error()) != "" {
		got = append(got, "**in the error**")
	}
	switch {
	case t.name == "memory" && strings.Contains(s.out, hexOf(canary[:8])):
		got = append(got, "**it is there**")
	case t.name == "redirect to this machine" && strings.Contains(s.out, localSecret):
		got = append(got, "**it read what is there**")
	case t.name == "machine" && s.out != "" && !strings.Contains(s.out, "false 0"):
		got = append(got, "**"+s.out+"**")
	}
	if len(got) == 0 {
		return "nothing"
	}
	slices.Sort(got)
	return strings.Join(slices.Compact(got), "; ")
}

var names = map[string]string{"drop": "the other origin", "evil": "the origin that was not approved", "local": "the local service", "port": "the other port", "plain": "whoever is on the way"}
