package manifests

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestSetLimits sets every limit that a manifest can have, each to its own.
func TestSetLimits(t *testing.T) {
	var l Limits
	for name, value := range map[string]string{
		"memory_mib": "1", "cpu": "PT2S", "cpu_between_calls": "PT3S", "wall": "PT4S", "records": "5", "bytes_in": "6", "bytes_out": "7",
		"requests": "8", "handles": "9", "log_lines": "10", "interactions": "11", "requests_per_minute": "12", "concurrency": "13",
	} {
		if err := l.Set(name, value); err != nil {
			t.Error(err)
		}
	}
	want := Limits{1, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	if l != want {
		t.Errorf("%+v", l)
	}
	for i := range reflect.TypeFor[Limits]().NumField() {
		if reflect.ValueOf(l).Field(i).IsZero() {
			t.Errorf("%s cannot be set", reflect.TypeFor[Limits]().Field(i).Name)
		}
	}
}

func TestSetLimitsRefuses(t *testing.T) {
	for _, c := range [][3]string{
		{"fuel", "1", `limit "fuel" is not known: the limits are bytes_in, bytes_out, concurrency, cpu`},
		{"records", "0", "limit records: not a whole number above 0"},
		{"records", "-1", "whole number"},
		{"records", "9223372036854775808", "whole number"},
		{"memory_mib", "4294967296", "whole number"},
		{"wall", "10m", "limit wall: not a duration such as P365D"},
		{"wall", "", "not a duration"},
	} {
		l := Limits{Records: 7, Wall: time.Hour}
		err := l.Set(c[0], c[1])
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s=%s: %v", c[0], c[1], err)
		}
		if l != (Limits{Records: 7, Wall: time.Hour}) {
			t.Errorf("%s=%s left %+v", c[0], c[1], l)
		}
	}
}
