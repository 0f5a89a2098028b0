package linmem

import (
	"bytes"
	"testing"
)

func TestAMemoryIsBoundedAndWiped(t *testing.T) {
	m := New(100)
	var seen [][]byte
	m.BeforeWipe = func(b []byte) { seen = append(seen, bytes.Clone(b)) }
	first := m.Reallocate(10)
	copy(first, "secret")
	second := m.Reallocate(60)
	if len(second) != 60 || string(second[:6]) != "secret" {
		t.Fatalf("after growing: %q", second)
	}
	if !bytes.Equal(first, make([]byte, 10)) {
		t.Errorf("what growing left behind is not wiped: %q", first)
	}
	if m.Reallocate(101) != nil {
		t.Error("it grew past its limit")
	}
	if got := m.Reallocate(100); len(got) != 100 {
		t.Errorf("up to its limit: %d bytes", len(got))
	}
	last := m.buf
	m.Free()
	if !bytes.Equal(last, make([]byte, 100)) {
		t.Error("the memory is not wiped at its end")
	}
	if len(seen) < 2 || string(seen[0][:6]) != "secret" || string(seen[len(seen)-1][:6]) != "secret" {
		t.Errorf("BeforeWipe saw %d buffers", len(seen))
	}
	m.Free()
}
