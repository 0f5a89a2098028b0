package profile

import (
	"fmt"
	"slices"

	"github.com/sallyport-host/sallyport/abi"
)

// skipResult checks the shape of a SKIP_RESULT; members it does not know are
// the reference implementation's and pass.
func (c *Checker) skipResult(m *Message, o *object) error {
	m.Stream = o.str("stream", false)
	for _, name := range []string{"reason", "message"} {
		if text := o.str(name, false); len(text) > abi.MaxReasonBytes {
			return fmt.Errorf("%s is longer than %d bytes", name, abi.MaxReasonBytes)
		}
	}
	o.hint()
	if v, ok := o.members["continuation"]; ok {
		if err := continuation(v); err != nil {
			return err
		}
	}
	if o.err != nil || m.Stream == "" {
		return o.err
	}
	_, err := c.inScope(m.Stream)
	return err
}

func continuation(v any) error {
	members, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("continuation is not an object")
	}
	o := &object{members: members}
	if o.str("owner", true) != "runtime" {
		o.fail("continuation.owner is not runtime")
	}
	if !o.boolean("remaining") {
		o.fail("continuation.remaining is not true")
	}
	o.str("boundary", false)
	return o.err
}

// detailCoverage checks the shape of a DETAIL_COVERAGE, and that its outcomes
// are among what it required.
func (c *Checker) detailCoverage(m *Message, o *object) error {
	m.Stream = o.str("stream", true)
	stateStream := o.str("state_stream", true)
	if !o.boolean("reference_only") {
		o.fail("reference_only is not true")
	}
	required := o.keys("required_keys", true)
	outcomes := slices.Concat(o.keys("hydrated_keys", true), o.keys("gap_keys", false))
	if o.err != nil {
		return o.err
	}
	s, err := c.inScope(m.Stream)
	if err != nil {
		return err
	}
	if s.StateStream != "" {
		return fmt.Errorf("stream %q declares a state_stream, and so never reports coverage", s.Name)
	}
	if len(s.ParentStreams) > 0 && !slices.Contains(s.ParentStreams, stateStream) {
		return fmt.Errorf("state_stream %q is not among the parent_streams of %q", clean(stateStream), s.Name)
	}
	asked := make(map[string]bool, len(required))
	for _, key := range required {
		asked[key] = true
	}
	for _, key := range outcomes {
		if !asked[key] {
			return fmt.Errorf("a key of hydrated_keys or gap_keys is not among required_keys")
		}
	}
	return nil
}

// detailGap checks the shape of a DETAIL_GAP.
func (c *Checker) detailGap(m *Message, o *object) error {
	m.Stream = o.str("stream", true)
	for _, name := range []string{"parent_stream", "reason", "gap_id", "lease_id"} {
		o.str(name, false)
	}
	o.boolean("retryable")
	if v, ok := o.members["detail_locator"]; ok {
		if _, isObject := v.(map[string]any); !isObject {
			o.fail("detail_locator is not an object")
		}
	}
	if o.err != nil {
		return o.err
	}
	_, err := c.inScope(m.Stream)
	return err
}
