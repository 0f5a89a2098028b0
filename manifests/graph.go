package manifests

import (
	"fmt"
	"slices"
)

// The coverage strategies that go with a checkpoint kept elsewhere.
const (
	coverageWindow = "checkpoint_window"
	coverageParent = "parent_detail_accounting"
)

// graph is the check of the Collection Profile that comes before a connector
// starts: state_stream needs coverage_strategy checkpoint_window,
// parent_streams needs parent_detail_accounting, and neither leads to the
// stream itself, to an unknown one, to one twice, or round in a circle.
func (p *parser) graph(items []node) {
	names := map[string]bool{}
	for _, s := range p.m.Streams {
		names[s.Name] = true
	}
	edges := map[string][]string{}
	for i, n := range items {
		s := &p.m.Streams[i]
		state, parents := n.get("state_stream"), n.get("parent_streams")
		if state.there && parents.there {
			p.add(n.pointer, "it has both state_stream and parent_streams", "keep the one that fits its coverage_strategy")
		}
		if state.there {
			p.strategy(n, coverageWindow, "state_stream")
			p.edge(state, s.Name, names)
			edges[s.Name] = append(edges[s.Name], s.StateStream)
		}
		if parents.there {
			p.strategy(n, coverageParent, "parent_streams")
			p.parents(parents, s.Name, names)
			edges[s.Name] = append(edges[s.Name], s.ParentStreams...)
		}
	}
	for i, n := range items {
		if name := p.m.Streams[i].Name; leadsBack(name, edges) && !slices.Contains(edges[name], name) {
			p.add(n.pointer, "its state_stream or parent_streams lead back to it", "break the circle")
		}
	}
}

func (p *parser) strategy(stream node, want, because string) {
	if got := stream.get("coverage_strategy").str(); got != want {
		p.addAt(stream, "coverage_strategy", fmt.Sprintf("%s does not go with it", because), fmt.Sprintf("write %q, or remove %s", want, because))
	}
}

func (p *parser) parents(n node, self string, names map[string]bool) {
	items := n.items()
	if len(items) == 0 {
		p.add(n.pointer, "it is not a list of streams", "name at least one stream, or leave it out")
	}
	seen := map[string]bool{}
	for _, item := range items {
		p.edge(item, self, names)
		if name := item.str(); name != "" && seen[name] {
			p.add(item.pointer, "the stream is named twice", "name each once")
		}
		seen[item.str()] = true
	}
}

func (p *parser) edge(to node, self string, names map[string]bool) {
	switch name := to.str(); {
	case name == "" || !names[name]:
		p.add(to.pointer, "there is no stream of that name", "name another stream of this manifest")
	case name == self:
		p.add(to.pointer, "a stream cannot depend on itself", "name another stream of this manifest")
	}
}

// leadsBack reports whether edges lead from name to name.
func leadsBack(name string, edges map[string][]string) bool {
	seen := map[string]bool{}
	next := slices.Clone(edges[name])
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		if at == name {
			return true
		}
		if !seen[at] {
			seen[at] = true
			next = append(next, edges[at]...)
		}
	}
	return false
}
