package capabilities

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
)

// everyPath is the pattern that covers all others.
const everyPath = "/**"

// Widening lists what next hands over beyond what old does, one line each for
// the owner to read, in a stable order: nil means that a short confirmation is
// enough. A nil old, or one of another scope, handed over nothing. When it
// cannot be sure that old covers something, it lists it.
func Widening(old *Approval, next Approval) []string {
	if old == nil || old.Scope != next.Scope {
		old = &Approval{Mode: next.Mode, ExpiresAt: next.ExpiresAt}
	}
	var lines []string
	for i := range next.Credentials {
		c := &next.Credentials[i]
		lines = append(lines, c.wider(old.Credential(c.Name))...)
	}
	lines = append(lines, widerEgress(old.Egress, next.Egress)...)
	for _, s := range next.Streams {
		if !slices.Contains(old.Streams, s) {
			lines = append(lines, "it may collect "+s)
		}
	}
	for _, c := range next.HostCalls {
		if !slices.Contains(old.HostCalls, c) {
			lines = append(lines, strings.Join(strings.Fields("for "+c.Credential+", Sallyport itself may call "+c.Method+" "+c.Origin+c.Path), " "))
		}
	}
	for _, role := range slices.Sorted(maps.Keys(next.Modules)) {
		if _, had := old.Modules[role]; !had {
			lines = append(lines, fmt.Sprintf("a module of role %s may run", role))
		}
	}
	if old.Mode != next.Mode {
		lines = append(lines, fmt.Sprintf("it may run in mode %s, not %s", next.Mode, old.Mode))
	}
	switch {
	case old.ExpiresAt.IsZero():
	case next.ExpiresAt.IsZero():
		lines = append(lines, fmt.Sprintf("it never ends, and not at %s", stamp(old.ExpiresAt)))
	case next.ExpiresAt.After(old.ExpiresAt):
		lines = append(lines, fmt.Sprintf("it ends at %s, and not at %s", stamp(next.ExpiresAt), stamp(old.ExpiresAt)))
	}
	return lines
}

// wider lists what c hands over beyond old.
func (c *ApprovedCredential) wider(old *ApprovedCredential) []string {
	var lines []string
	if old == nil {
		lines = append(lines, fmt.Sprintf("%s, %s, may be used", c.Name, aClass(c.Class)))
		old = &ApprovedCredential{Class: c.Class, Identity: c.Identity, Access: []abi.Access{abi.AccessUse}}
	}
	if c.Class != old.Class && (c.Class.Rank() == 0 || old.Class.Rank() == 0 || c.Class.Rank() > old.Class.Rank()) {
		lines = append(lines, fmt.Sprintf("%s is %s, and no longer %s", c.Name, aClass(c.Class), aClass(old.Class)))
	}
	for _, access := range c.Access {
		if !slices.Contains(old.Access, access) {
			lines = append(lines, fmt.Sprintf("%s may be accessed by %s", c.Name, access))
		}
	}
	for _, d := range c.SendTo {
		before := slices.DeleteFunc(slices.Clone(old.SendTo), func(o ApprovedDestination) bool { return o.As != d.As })
		if more := beyond(rules(before), rule{d.Origin, d.Methods, d.Paths}); more != "" {
			lines = append(lines, fmt.Sprintf("%s may be sent as %s to %s", c.Name, d.As, more))
		}
	}
	for _, p := range c.Capture {
		before := slices.DeleteFunc(slices.Clone(old.Capture), func(o ApprovedCapture) bool { return o.From != p.From })
		if more := beyond(captureRules(before), rule{p.Origin, p.Methods, p.Paths}); more != "" {
			lines = append(lines, fmt.Sprintf("%s may be taken from %s of %s", c.Name, p.From, more))
		}
	}
	return append(lines, c.widerSign(old)...)
}

// widerSign lists the ways to sign that differ from those of old at all. A pin
// has no order: one that differs may allow less, and the owner looks.
func (c *ApprovedCredential) widerSign(old *ApprovedCredential) []string {
	var lines []string
	for _, s := range c.Sign {
		at := slices.IndexFunc(old.Sign, func(o ApprovedSign) bool { return o.Name == s.Name })
		switch {
		case at < 0:
			lines = append(lines, fmt.Sprintf("with %s, %s", c.Name, s.What))
		case old.Sign[at].Pin != s.Pin && old.Sign[at].What != s.What:
			lines = append(lines, fmt.Sprintf("with %s, %s; before, %s", c.Name, s.What, old.Sign[at].What))
		case old.Sign[at].Pin != s.Pin:
			lines = append(lines, fmt.Sprintf("with %s, %s; what this summary leaves out has changed", c.Name, s.What))
		}
	}
	return lines
}

func widerEgress(old, next []ApprovedEgress) []string {
	var lines []string
	for _, e := range next {
		if e.Deny {
			continue
		}
		if more := beyond(egressRules(old, false), rule{e.Origin, e.Methods, e.Paths}); more != "" {
			lines = append(lines, "it may call "+more)
		}
	}
	for _, e := range old {
		if !e.Deny {
			continue
		}
		if more := beyond(egressRules(next, true), rule{e.Origin, e.Methods, e.Paths}); more != "" {
			lines = append(lines, "it is no longer kept from "+more)
		}
	}
	return lines
}

// rule is what destinations, captures and egress rules have in common.
type rule struct {
	origin  string
	methods []string
	paths   []string
}

func rules(in []ApprovedDestination) (out []rule) {
	for _, d := range in {
		out = append(out, rule{d.Origin, d.Methods, d.Paths})
	}
	return out
}

func captureRules(in []ApprovedCapture) (out []rule) {
	for _, p := range in {
		out = append(out, rule{p.Origin, p.Methods, p.Paths})
	}
	return out
}

func egressRules(in []ApprovedEgress, deny bool) (out []rule) {
	for _, e := range in {
		if e.Deny == deny {
			out = append(out, rule{e.Origin, e.Methods, e.Paths})
		}
	}
	return out
}

// beyond words what next covers and no rule of old does; "" when nothing.
// Methods are looked at one by one, so that one rule may be covered by
// several. An empty list of methods or paths is covered by an empty one only.
func beyond(old []rule, next rule) string {
	if len(next.methods) == 0 || len(next.paths) == 0 {
		if slices.ContainsFunc(old, func(o rule) bool {
			return o.origin == next.origin && len(o.methods) == len(next.methods) && slices.Equal(o.paths, next.paths)
		}) {
			return ""
		}
		return next.origin
	}
	var methods, paths []string
	for _, method := range next.methods {
		for _, path := range next.paths {
			if slices.ContainsFunc(old, func(o rule) bool { return o.covers(next.origin, method, path) }) {
				continue
			}
			if !slices.Contains(methods, method) {
				methods = append(methods, method)
			}
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	if len(methods) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s %s)", next.origin, strings.Join(methods, ", "), strings.Join(paths, ", "))
}

func (r rule) covers(origin, method, path string) bool {
	return r.origin == origin && slices.Contains(r.methods, method) &&
		(slices.Contains(r.paths, path) || slices.Contains(r.paths, everyPath))
}
