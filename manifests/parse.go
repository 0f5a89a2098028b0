package manifests

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// Parse reads a manifest. What is wrong with it is a *[Faults]: every fault at
// once, save that a text which is not JSON, or JSON with two readings, has
// only the first.
func Parse(raw []byte) (*Manifest, error) {
	meta, err := loadMeta()
	if err != nil {
		return nil, err
	}
	value, err := strictjson.Parse(raw, strictjson.Limits{MaxBytes: MaxBytes, MaxDepth: MaxDepth})
	if err != nil {
		return nil, syntaxFault(err)
	}
	sum := sha256.Sum256(raw)
	p := &parser{
		meta: meta,
		root: node{value: value, there: true},
		m:    &Manifest{raw: bytes.Clone(raw), digest: hex.EncodeToString(sum[:])},
	}
	if !p.root.isObject() {
		p.add("", "it is not an object", "write one JSON object")
		return nil, p.err()
	}
	p.numbers(p.root)
	if len(p.list) == 0 { // what follows calculates with them
		p.pdpp()
		if err := p.ours(); err != nil {
			return nil, err
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	p.m.NotRunnable = p.notRunnable()
	slices.Sort(p.m.Warnings)
	return p.m, nil
}

// parser fills in a manifest and collects its faults.
type parser struct {
	faultList
	budget schemaBudget
	meta   *meta
	root   node
	m      *Manifest

	upstream bool // the credentials are derived: nobody has said where they go
}

func (p *parser) warn(format string, args ...any) {
	switch n := len(p.m.Warnings); {
	case n < MaxFaults-1:
		p.m.Warnings = append(p.m.Warnings, showable(fmt.Sprintf(format, args...)))
	case n == MaxFaults-1:
		p.m.Warnings = append(p.m.Warnings, "there are more warnings: see to these first")
	}
}

func syntaxFault(err error) error {
	var at *strictjson.Error
	if !errors.As(err, &at) {
		return err
	}
	fault := Fault{Pointer: at.Pointer, Problem: fmt.Sprintf("%v (byte %d)", at.Err, at.Offset)}
	switch {
	case errors.Is(err, strictjson.ErrDuplicate):
		fault.Remedy = "keep one of the members of that name"
	case errors.Is(err, strictjson.ErrTooLarge):
		fault.Remedy = fmt.Sprintf("a manifest has at most %d bytes", MaxBytes)
	case errors.Is(err, strictjson.ErrTooDeep):
		fault.Remedy = fmt.Sprintf("a manifest has at most %d levels of nesting", MaxDepth)
	default:
		fault.Remedy = "write JSON in UTF-8 (RFC 8259): no comments, no trailing commas, nothing after the end"
	}
	return &Faults{Faults: []Fault{fault}}
}

// numbers refuses the numbers that are made to be expensive.
func (p *parser) numbers(n node) {
	walkNumbers(n, func(at node) {
		p.add(at.pointer, "the number is too long or too large", "write one that fits into 64 bits or a double")
	})
}

// ourMembers are the top-level members that are ours.
func ourMembers() []string {
	return []string{"credentials_schema", "egress", "limits", "modules", "options_schema"}
}

// ours reads the members that are ours.
func (p *parser) ours() error {
	ours := map[string]any{}
	for _, name := range ourMembers() {
		if n := p.root.get(name); n.there {
			ours[name] = n.value
		}
	}
	if err := p.meta.checkOurs(ours, &p.faultList); err != nil {
		return err
	}
	credentials, options := p.root.get("credentials_schema"), p.root.get("options_schema")
	if p.upstream = p.isUpstream(); p.upstream {
		derived, settings := p.derive()
		credentials = derived
		if !options.there {
			options = settings
		}
	}
	p.options(options)
	p.egress(p.root.get("egress"))
	p.credentials(credentials)
	p.modules(p.root.get("modules"))
	p.limits(p.root.get("limits"))
	p.coverage()
	return nil
}

func (p *parser) modules(n node) {
	for _, key := range n.keys() {
		role, at := abi.Role(key), n.get(key)
		if !role.Valid() {
			continue // the meta-schema has said so
		}
		module := Module{Path: at.get("path").str(), SHA256: at.get("sha256").str()}
		if !isModulePath(module.Path) && at.get("path").there {
			p.add(at.get("path").pointer, "the module's path leads out of the manifest's folder, or is written in more than one way",
				`write it with "/", from the manifest's folder on, without ".", ".." or ":"`)
		}
		if p.m.Modules == nil {
			p.m.Modules = map[abi.Role]Module{}
		}
		p.m.Modules[role] = module
	}
}

func (p *parser) limits(n node) {
	p.m.Limits = Limits{
		MemoryMiB:         int(n.get("memory_mib").integer()),
		CPU:               p.duration(n.get("cpu")),
		CPUBetweenCalls:   p.duration(n.get("cpu_between_calls")),
		Wall:              p.duration(n.get("wall")),
		Records:           n.get("records").integer(),
		BytesIn:           n.get("bytes_in").integer(),
		BytesOut:          n.get("bytes_out").integer(),
		Requests:          n.get("requests").integer(),
		Handles:           n.get("handles").integer(),
		LogLines:          n.get("log_lines").integer(),
		Interactions:      n.get("interactions").integer(),
		RequestsPerMinute: int(n.get("requests_per_minute").integer()),
		Concurrency:       int(n.get("concurrency").integer()),
	}
}

// notRunnable says why the manifest cannot run, "" when it can.
func (p *parser) notRunnable() string {
	const declare = "add credentials_schema, which says where each credential may go, with egress and modules"
	ours := slices.ContainsFunc(ourMembers(), func(name string) bool { return p.root.get(name).there })
	upstream := p.root.get("setup").get("credential_capture").there && p.upstream
	switch {
	case p.m.Modules[abi.RoleCollector].Path != "" && !upstream:
		return ""
	case upstream:
		return "it declares its credentials by setup.credential_capture, which does not say where each may go: " + declare
	case !ours:
		return "it has no members of Sallyport's: " + declare
	case p.m.Modules == nil:
		return `it names no module to run: add modules, such as {"collector": {"path": "collector.wasm"}}`
	}
	return "it has no collector: add one to modules"
}
