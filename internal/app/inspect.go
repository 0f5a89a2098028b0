package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/terminal"
)

// Inspected is the result of [App.Inspect].
type Inspected struct {
	next
	Connector      string            `json:"connector,omitempty"` // absent for a lone module
	Version        string            `json:"version,omitempty"`
	ManifestSHA256 string            `json:"manifest_sha256,omitempty"`
	Modules        []InspectedModule `json:"modules"`
	// Loads says that the host would load the connector, Refusals why not.
	Loads    bool     `json:"loads"`
	Refusals []string `json:"refusals,omitempty"`
}

// InspectedModule is one module: what it is and what it asks for.
type InspectedModule struct {
	Role abi.Role `json:"role,omitempty"`
	Path string   `json:"path"`
	host.ModuleInfo
	// Stated is the digest that the manifest states, "" when it states none.
	Stated string       `json:"stated_sha256,omitempty"`
	Allows []Capability `json:"allows"`
}

// Capability is one import module that a guest asks for.
type Capability struct {
	Module    string   `json:"module"`
	Functions []string `json:"functions"`
	Meaning   string   `json:"meaning"`
}

// Text writes each module with what its imports would allow.
func (r Inspected) Text(w io.Writer) error {
	var b strings.Builder
	if r.Connector != "" {
		fmt.Fprintf(&b, "connector %s %s\nmanifest  sha256:%s\n", terminal.Clean(r.Connector, maxTitle), terminal.Clean(r.Version, maxTitle), r.ManifestSHA256)
	}
	for _, m := range r.Modules {
		fmt.Fprintf(&b, "\nmodule %s", terminal.Clean(m.Path, maxTitle))
		if m.Role != "" {
			fmt.Fprintf(&b, " (%s)", m.Role)
		}
		fmt.Fprintf(&b, "\n  sha256:%s, %d bytes\n", m.SHA256, m.Bytes)
		if m.Stated != "" && m.Stated != m.SHA256 {
			fmt.Fprintf(&b, "  NOT what the manifest states: sha256:%s\n", m.Stated)
		}
		if len(m.Allows) == 0 {
			fmt.Fprintln(&b, "  imports nothing: it can only compute")
		}
		for _, c := range m.Allows {
			fmt.Fprintf(&b, "  %s: %s\n    %s\n", terminal.Clean(c.Module, maxTitle), c.Meaning, terminal.Clean(strings.Join(c.Functions, ", "), maxMessage))
		}
	}
	switch {
	case r.Connector == "":
	case r.Loads:
		fmt.Fprintln(&b, "\nits manifest allows all of that: it would load")
	default:
		fmt.Fprintln(&b, "\nit would NOT load")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Inspect reads the modules of a connector, or a lone .wasm file, without
// running them. A connector is also loaded, as it would be for a run; that it
// would be refused is the error beside the result.
func (a *App) Inspect(ctx context.Context, arg string) (Result, error) {
	if strings.HasSuffix(arg, ".wasm") {
		m, err := inspectFile(arg)
		if err != nil {
			return nil, err
		}
		return Inspected{Modules: []InspectedModule{m}}, nil
	}
	c, pkg, err := a.openPackage(arg)
	if err != nil {
		return nil, err
	}
	r := Inspected{
		next:      next{a.command("disclose", arg)},
		Connector: c.manifest.ConnectorKey, Version: c.manifest.Version, ManifestSHA256: c.manifest.Digest(), Modules: []InspectedModule{},
	}
	for _, role := range abi.Roles() {
		stated, ok := c.manifest.Modules[role]
		if !ok {
			continue
		}
		m, err := inspectModule(stated.Path, pkg.Modules[role])
		if err != nil {
			return nil, err
		}
		m.Role, m.Stated = role, stated.SHA256
		r.Modules = append(r.Modules, m)
	}
	err = a.wouldLoad(ctx, pkg)
	r.Loads = err == nil
	for _, f := range refusals(err) {
		r.Refusals = append(r.Refusals, f.Error())
	}
	return r, err
}

// wouldLoad loads a package into a host that has nothing to give.
func (a *App) wouldLoad(ctx context.Context, pkg host.Package) error {
	h, err := host.New(ctx, host.NewConfig().WithCompileCache(a.Home.ModulesDir()).WithLogger(a.Log))
	if err != nil {
		return err
	}
	defer func() { _ = h.Close(context.WithoutCancel(ctx)) }()
	c, err := a.load(ctx, h, pkg)
	if err != nil {
		return err
	}
	return c.Close(context.WithoutCancel(ctx))
}

func inspectFile(path string) (InspectedModule, error) {
	raw, err := readLimited(path, abi.MaxModuleBytes)
	if err != nil {
		return InspectedModule{}, fileError("module", path, err)
	}
	return inspectModule(path, raw)
}

func inspectModule(path string, raw []byte) (InspectedModule, error) {
	info, err := host.Inspect(raw)
	if err != nil {
		return InspectedModule{}, refused("module %s: %w", path, err)
	}
	return InspectedModule{Path: path, ModuleInfo: info, Allows: allows(info.Imports)}, nil
}

// allows groups imports by module, in order.
func allows(imports []string) []Capability {
	groups := []Capability{}
	for _, im := range imports {
		module, function, _ := cutLast(im, ".")
		i := slices.IndexFunc(groups, func(c Capability) bool { return c.Module == module })
		if i < 0 {
			groups = append(groups, Capability{Module: module, Meaning: meaning(module)})
			i = len(groups) - 1
		}
		groups[i].Functions = append(groups[i].Functions, function)
	}
	return groups
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// meaning says in plain words what a guest can do with an import module.
func meaning(module string) string {
	switch module {
	case abi.ModuleRun:
		return "takes part in a run: reads its scope, emits records, asks questions, writes log lines"
	case abi.ModuleCredential:
		return "uses declared credentials by surrogates, never their values"
	case abi.ModuleCredentialSign:
		return "lets the host sign, or compute one-time codes, with declared credentials"
	case abi.ModuleCredentialStore:
		return "stores credentials that the host captured"
	case abi.ModuleCredentialReveal:
		return "READS the values of declared credentials, where the approval says so"
	case abi.ModuleHTTP:
		return "sends HTTP requests to the origins that its egress rules name"
	case abi.ModuleStream:
		return "opens IMAP, SMTP or TLS connections to the origins that its egress rules name"
	case abi.ModuleBrowser:
		return "drives a browser"
	case abi.ModuleWASI:
		return "clocks, random numbers, sleep, output to the log; no environment, files or sockets"
	}
	return "UNKNOWN: no host gives it this, it will be refused"
}
