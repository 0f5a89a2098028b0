// Package link says which imports a guest may have.
//
// # Promise
//
// A module is accepted only when each of its imports is a function of the
// ABI, with its exact signature, in an import module that this version offers
// and that the manifest and the role give it. All problems are reported at
// once, each by the import's name with what would allow it. Nothing is
// compiled or run.
package link

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host/internal/wasmbin"
	"github.com/sallyport-host/sallyport/manifests"
)

// Caps is the set of import modules a guest is linked against. A host
// function asks for its own bit again when it is called.
type Caps uint32

// One bit for each import module that this version offers.
const (
	Run Caps = 1 << iota
	Credential
	HTTP
	WASI
	Stream
	Store
	Reveal
	Sign
)

// Problem is one import or export that is not right.
type Problem struct {
	Thing  string // `import "sallyport:http/v1" "send"`
	Reason string
	Remedy string
}

// entitlement says whether a manifest and a role give an import module, and
// if not, why.
func entitlement(module string, m *manifests.Manifest, role abi.Role) (cap Caps, reason, remedy string) {
	network := func() bool { _, ok := m.Bindings["network"]; return ok }
	const later = "this version of the host does not offer it"
	switch module {
	case abi.ModuleRun:
		return Run, "", ""
	case abi.ModuleWASI:
		return WASI, "", ""
	case abi.ModuleCredential:
		if len(m.Credentials) == 0 {
			return 0, "the manifest declares no credentials", "declare them in /credentials_schema"
		}
		return Credential, "", ""
	case abi.ModuleHTTP:
		if !network() {
			return 0, "the manifest does not ask for the binding network", "add it to /runtime_requirements/bindings"
		}
		if !slices.ContainsFunc(m.Egress, webRule) {
			return 0, "the manifest has no egress rule for http or https", "add one to /egress"
		}
		return HTTP, "", ""
	case abi.ModuleCredentialStore:
		if role == abi.RoleCollector {
			return 0, "a collector may not store credentials", "move it to a module under /modules/bootstrap or /modules/auto_login"
		}
		if !slices.ContainsFunc(m.Credentials, func(c manifests.Credential) bool { return len(c.Capture) > 0 }) {
			return 0, "the manifest captures no credential", "add a rule to /credentials_schema/properties/NAME/capture"
		}
		return Store, "", ""
	case abi.ModuleCredentialReveal:
		if !declares(m, abi.AccessReveal) {
			return 0, "no credential declares access reveal", "use it instead: the host puts it in where send_to says"
		}
		return Reveal, "", ""
	case abi.ModuleCredentialSign:
		if !declares(m, abi.AccessSign) && !declares(m, abi.AccessTOTP) {
			return 0, "no credential declares access sign or totp", "add it to /credentials_schema/properties/NAME/access"
		}
		return Sign, "", ""
	case abi.ModuleStream:
		if !network() {
			return 0, "the manifest does not ask for the binding network", "add it to /runtime_requirements/bindings"
		}
		if !slices.ContainsFunc(m.Egress, streamRule) {
			return 0, "the manifest has no egress rule for imap, smtp or tls", "add one to /egress"
		}
		return Stream, "", ""
	case abi.ModuleBrowser:
		return 0, later, "do without it"
	}
	return 0, "there is no such import module", "import from sallyport:… or wasi_snapshot_preview1 only"
}

func declares(m *manifests.Manifest, access abi.Access) bool {
	return slices.ContainsFunc(m.Credentials, func(c manifests.Credential) bool { return slices.Contains(c.Access, access) })
}

// streamRule reports whether a rule may allow a stream.
func streamRule(r manifests.EgressRule) bool {
	scheme, _, _ := strings.Cut(r.Origin, "://")
	return !r.Deny && slices.Contains([]string{"imap", "imaps", "smtp", "smtps", "tls"}, scheme)
}

// webRule reports whether a rule may allow http or https: one whose origin is
// an option is known only at approval.
func webRule(r manifests.EgressRule) bool {
	scheme, _, _ := strings.Cut(r.Origin, "://")
	return !r.Deny && (scheme == "http" || scheme == "https" || strings.HasPrefix(r.Origin, "${"))
}

// Check compares what module imports and exports with what it may. caps is
// what it is to be linked against.
func Check(module *wasmbin.Module, m *manifests.Manifest, role abi.Role) (caps Caps, problems []Problem) {
	known := map[string]abi.Func{}
	for _, f := range append(abi.Functions(), abi.WASIFunctions()...) {
		known[f.Module+"."+f.Name] = f
	}
	for _, im := range module.Imports {
		thing := fmt.Sprintf("import %q %q", im.Module, im.Name)
		cap, reason, remedy := entitlement(im.Module, m, role)
		f, exists := known[im.Module+"."+im.Name]
		switch {
		case cap == 0:
			problems = append(problems, Problem{thing, reason, remedy})
		case im.Kind != wasmbin.KindFunc:
			problems = append(problems, Problem{thing, "it is a " + im.Kind.String(), "import functions only"})
		case !exists:
			problems = append(problems, Problem{thing, "that module has no such function", "see abi/ABI.md"})
		case !sameTypes(f.Params, im.Type.Params) || !sameTypes(f.Results, im.Type.Results):
			problems = append(problems, Problem{thing, "its signature is not the ABI's", "declare it as " + Signature(f)})
		default:
			caps |= cap
		}
	}
	return caps, append(problems, exports(module)...)
}

func exports(module *wasmbin.Module) (problems []Problem) {
	i32 := []abi.ValType{abi.I32}
	if e, ok := module.Export(abi.ExportMemory); !ok || e.Kind != wasmbin.KindMemory {
		problems = append(problems, Problem{`export "memory"`, "the module does not export its memory", "export it under that name"})
	}
	want := func(name string, results []abi.ValType, required bool) {
		e, ok := module.Export(name)
		thing := fmt.Sprintf("export %q", name)
		switch {
		case !ok && required && name == abi.ExportRun && has(module, abi.ExportStart):
			problems = append(problems, Problem{thing, "it is a WASI command, which this version of the host does not run", "build a reactor: -buildmode=c-shared in Go"})
		case !ok && required:
			problems = append(problems, Problem{thing, "the module does not export it", "export it as () -> i32"})
		case ok && (e.Kind != wasmbin.KindFunc || len(e.Type.Params) > 0 || !sameTypes(results, e.Type.Results)):
			problems = append(problems, Problem{thing, "its signature is not the ABI's", "see abi/ABI.md, section 4"})
		}
	}
	want(abi.ExportRun, i32, true)
	want(abi.ExportABI, i32, true)
	want(abi.ExportInitialize, nil, false)
	return problems
}

func has(m *wasmbin.Module, export string) bool { _, ok := m.Export(export); return ok }

func sameTypes(want []abi.ValType, got []byte) bool {
	return slices.EqualFunc(want, got, func(w abi.ValType, g byte) bool { return byte(w) == g })
}

// Signature writes a function's type as WAT does.
func Signature(f abi.Func) string {
	write := func(word string, types []abi.ValType) string {
		s := "(" + word
		for _, t := range types {
			if t == abi.I64 {
				s += " i64"
			} else {
				s += " i32"
			}
		}
		return s + ")"
	}
	return write("param", f.Params) + " " + write("result", f.Results)
}
