package lines

import (
	"bytes"
	"testing"
	"time"
)

// TestManyUnitsTakeLittle has as many units as fit, each of which claims as many
// folders as a number can say, of nothing.
func TestManyUnitsTakeLittle(t *testing.T) {
	unit := []byte("\x05\x00\x04\x00\x10\x00\x00\x00\x01\x01\x01\x00\x01\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00")
	unit = append([]byte{byte(len(unit)), 0, 0, 0}, unit...)
	began := time.Now()
	if got := Read(Debug{Line: bytes.Repeat(unit, MaxBytes/len(unit))}, 1000); len(got.Rows) > 0 {
		t.Errorf("%d rows of nothing", len(got.Rows))
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}
