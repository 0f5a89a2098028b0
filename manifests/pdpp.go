package manifests

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of PDPP's own members, as far as a host relies on them.
const (
	maxIDBytes      = 512
	maxKeyBytes     = 64
	maxVersionBytes = 64
	maxTitleBytes   = 512
	maxStreams      = 256
	maxStreamName   = 128
	maxTextBytes    = 16 << 10
)

// pdpp reads PDPP's own members. What a host does not need is kept as it is.
func (p *parser) pdpp() {
	p.m.ConnectorID = p.required("connector_id", maxIDBytes, "the connector's URI")
	p.m.Version = p.required("version", maxVersionBytes, "a version such as 0.1.0")
	p.m.DisplayName = p.required("display_name", maxTitleBytes, "the name that the owner sees")
	p.m.ConnectorKey = p.required("connector_key", maxKeyBytes, "a short name such as apple_contacts")
	if at := p.root.get("connector_key"); p.m.ConnectorKey != "" && !isConnectorKey(p.m.ConnectorKey) {
		p.add(at.pointer, "it cannot be part of an address or a file's name",
			"write lower-case letters, digits, _ and -, beginning with a letter or digit")
	}
	p.bindings(p.root.get("runtime_requirements").get("bindings"))
	p.streams(p.root.get("streams"))
	p.unknownMembers()
}

// required reads a text that has to be there.
func (p *parser) required(name string, maxBytes int, what string) string {
	n := p.root.get(name)
	s, ok := n.value.(string)
	switch {
	case !n.there:
		p.add("", fmt.Sprintf("%q is missing", name), "write "+what)
	case !ok || s == "" || len(s) > maxBytes || strings.TrimSpace(s) != s || showable(s) != s:
		p.add(n.pointer, fmt.Sprintf("it is not a text of 1 to %d bytes that shows as it is", maxBytes), "write "+what)
	default:
		return s
	}
	return ""
}

// optional reads a text that may be there.
func (p *parser) optional(n node, maxBytes int) string {
	s, ok := n.value.(string)
	if n.there && n.value != nil && (!ok || len(s) > maxBytes) {
		p.add(n.pointer, fmt.Sprintf("it is not a text of at most %d bytes", maxBytes), "write one, or leave it out")
		return ""
	}
	return s
}

// isConnectorKey reports whether s may be a part of a vault address and of a
// file's name on every system.
func isConnectorKey(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || i > 0 && (c == '_' || c == '-')) {
			return false
		}
	}
	return s != "" && len(s) <= maxKeyBytes
}

// bindings reads runtime_requirements.bindings. The specification's
// browser_automation is called browser by the reference implementation; both
// are taken, and kept as written.
func (p *parser) bindings(n node) {
	known := []string{"network", "filesystem", "interactive", "browser", "browser_automation", "browser_profile", "loopback_listen"}
	if n.there && !n.isObject() {
		p.add(n.pointer, "it is not an object", `write {"network": {"required": true}}`)
		return
	}
	p.m.Bindings = map[string]bool{}
	for _, name := range n.keys() {
		required := n.get(name).get("required")
		_, isBool := required.value.(bool)
		if !n.get(name).isObject() || required.there && !isBool {
			p.add(n.get(name).pointer, "it is not a binding", `write {"required": true} or {"required": false}`)
		}
		if !slices.Contains(known, name) && !strings.Contains(name, "/") {
			p.warn("%s: the binding is not known; one of a vendor is written vendor.example/thing", n.get(name).pointer)
		}
		p.m.Bindings[name] = !required.there || required.boolean()
	}
}

// unknownMembers warns of top-level members that look like a misspelt one of
// ours. They are kept: PDPP may know them.
func (p *parser) unknownMembers() {
	upstream := []string{"capabilities", "connector_id", "connector_key", "display_name", "external_docs", "manifest_uri", "profiles",
		"protocol_version", "reason_display_messages", "runtime_requirements", "setup", "source_declaration", "streams", "version", "$schema"}
	for _, name := range p.root.keys() {
		if slices.Contains(upstream, name) || slices.Contains(ourMembers(), name) {
			continue
		}
		if near := closest(name, ourMembers()); near != "" {
			p.warn("%s: the member is not known and has no effect; did you mean %q?", p.root.get(name).pointer, near)
		}
	}
}

func (p *parser) streams(n node) {
	items := n.items()
	if len(items) == 0 || len(items) > maxStreams {
		if !n.there {
			p.add("", `"streams" is missing`, "write a list of the streams that the connector collects")
		} else {
			p.add(n.pointer, fmt.Sprintf("it is not a list of 1 to %d streams", maxStreams), "write a list of the streams that the connector collects")
		}
		return
	}
	seen := map[string]bool{}
	for _, item := range items {
		s := p.stream(item)
		if s.Name != "" && seen[s.Name] {
			p.add(item.get("name").pointer, "another stream has that name", "give each stream a name of its own")
		}
		seen[s.Name] = true
		p.m.Streams = append(p.m.Streams, s)
	}
	p.graph(items)
}

func (p *parser) stream(n node) Stream {
	s := Stream{
		Name:             n.get("name").str(),
		Description:      p.optional(n.get("description"), maxTextBytes),
		DisplayLabel:     p.optional(n.get("display").get("label"), maxTitleBytes),
		PrimaryKey:       n.get("primary_key").strs(),
		ConsentTimeField: p.optional(n.get("consent_time_field"), maxStreamName),
		CursorField:      p.optional(n.get("cursor_field"), maxStreamName),
		Semantics:        p.optional(n.get("semantics"), maxStreamName),
		StateStream:      n.get("state_stream").str(),
		ParentStreams:    n.get("parent_streams").strs(),
		Required:         n.get("schema").get("required").strs(),
	}
	if !n.isObject() {
		p.add(n.pointer, "it is not an object", "write {name, schema, primary_key, …}")
		return s
	}
	if !isStreamName(s.Name) {
		p.addAt(n, "name", "it is not a stream's name", "write letters, digits, _, . and -, at most 128, beginning with a letter or digit")
		s.Name = ""
	}
	p.streamSchema(n, &s)
	return s
}

// addAt adds a fault at a member, or that it is missing at its parent.
func (p *parser) addAt(parent node, name, problem, remedy string) {
	if n := parent.get(name); n.there {
		p.add(n.pointer, problem, remedy)
		return
	}
	p.add(parent.pointer, fmt.Sprintf("%q is missing", name), remedy)
}

func isStreamName(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && (i == 0 || strings.IndexByte("_.-", s[i]) < 0) {
			return false
		}
	}
	return s != "" && len(s) <= maxStreamName
}

// streamSchema checks the schema and the fields that the stream names in it.
func (p *parser) streamSchema(n node, s *Stream) {
	schema := n.get("schema")
	if !schema.isObject() {
		p.addAt(n, "schema", "it is not an object", "write the JSON Schema (2020-12) of a record's data")
		return
	}
	s.schema = p.recordSchema(schema)
	p.primaryKey(n, schema)
	p.field(n.get("cursor_field"), s.CursorField, schema)
	p.field(n.get("consent_time_field"), s.ConsentTimeField, schema)
}

// field checks that the schema has the field which at names. A schema without
// properties leaves its fields open.
func (p *parser) field(at node, name string, schema node) {
	properties := schema.get("properties")
	if at.there && properties.there && (name != "" || at.value == "") && !properties.get(name).there {
		p.add(at.pointer, "the schema has no such property", "name one of schema.properties")
	}
}

func (p *parser) primaryKey(stream, schema node) {
	const remedy = `write the fields that identify a record, such as ["id"]`
	items := stream.get("primary_key").items()
	if len(items) == 0 {
		p.addAt(stream, "primary_key", "it is not a list of fields", remedy)
	}
	seen := map[string]bool{}
	for _, item := range items {
		name := item.str()
		switch {
		case name == "":
			p.add(item.pointer, "it is not a field's name", remedy)
		case seen[name]:
			p.add(item.pointer, "the field is named twice", "name each field once")
		default:
			p.field(item, name, schema)
		}
		seen[name] = true
	}
}
