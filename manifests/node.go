package manifests

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// node is a value of the decoded document and where it stands. The accessors
// answer with nothing where the type is another one: that is a fault which
// the meta-schema has found already.
type node struct {
	value   any
	there   bool
	pointer string
}

func (n node) get(key string) node {
	m, _ := n.value.(map[string]any)
	v, ok := m[key]
	return node{v, ok, pointerTo(n.pointer, key)}
}

func (n node) keys() []string {
	m, _ := n.value.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

func (n node) isObject() bool { _, ok := n.value.(map[string]any); return ok }

func (n node) items() []node {
	list, _ := n.value.([]any)
	nodes := make([]node, len(list))
	for i, v := range list {
		nodes[i] = node{v, true, n.pointer + "/" + strconv.Itoa(i)}
	}
	return nodes
}

func (n node) str() string { s, _ := n.value.(string); return s }

func (n node) boolean() bool { b, _ := n.value.(bool); return b }

func (n node) integer() int64 {
	number, _ := n.value.(json.Number)
	i, _ := number.Int64()
	return i
}

func (n node) integers() (list []int) {
	for _, item := range n.items() {
		list = append(list, int(item.integer()))
	}
	return list
}

func (n node) strs() []string {
	var list []string
	for _, item := range n.items() {
		if s, ok := item.value.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// raw returns the value as JSON, nil when it is not there.
func (n node) raw() json.RawMessage {
	if !n.there {
		return nil
	}
	text, err := json.Marshal(n.value)
	if err != nil {
		return nil // unreachable: it was decoded from JSON
	}
	return text
}
