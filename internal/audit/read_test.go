package audit

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/host"
)

func TestReadFilters(t *testing.T) {
	l := filled(t, 9)
	text := l.text(t)
	tests := map[string]struct {
		filter Filter
		want   []uint64
	}{
		"all":        {Filter{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"run":        {Filter{RunID: "run-1"}, []uint64{1, 3, 5, 7, 9}},
		"refused":    {Filter{Refused: true}, []uint64{3, 6, 9}},
		"last":       {Filter{Last: 2}, []uint64{8, 9}},
		"last of":    {Filter{Last: 2, RunID: "run-0"}, []uint64{6, 8}},
		"since":      {Filter{Since: noon.Add(8 * time.Minute)}, []uint64{8, 9}},
		"until":      {Filter{Until: noon.Add(3 * time.Minute)}, []uint64{1, 2}},
		"owner":      {Filter{Owner: "bob"}, nil},
		"connector":  {Filter{Connector: "mail"}, nil},
		"instance":   {Filter{Instance: "work"}, nil},
		"grant":      {Filter{Grant: "g"}, nil},
		"name":       {Filter{Name: "OTHER"}, nil},
		"kind":       {Filter{Kind: host.EventEgress}, nil},
		"everything": {Filter{Owner: "ann", Connector: "contacts", Instance: "default", Grant: "self", Kind: host.EventDecision, Name: "APP_PASSWORD", Last: 1}, []uint64{9}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []uint64
			for line, err := range Read(bytes.NewReader(text), test.filter) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, line.Seq)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	for range Read(bytes.NewReader(text), Filter{Last: 3}) {
		break // and no panic
	}
}

// TestReadGoesOn: a line that makes no sense is said, and so is what follows.
func TestReadGoesOn(t *testing.T) {
	text := bytes.Replace(filled(t, 3).text(t), []byte(`{"seq":2`), []byte(`{"seq"`), 1)
	text = append(text, `{"seq":4`...)
	var events, faults []int64
	for line, err := range Read(bytes.NewReader(text), Filter{}) {
		if err == nil {
			events = append(events, line.Number)
		} else if errors.Is(err, ErrTampered) {
			faults = append(faults, line.Number)
		}
	}
	if !reflect.DeepEqual(events, []int64{1, 3}) || !reflect.DeepEqual(faults, []int64{2, 4}) {
		t.Errorf("events %v, faults %v", events, faults)
	}
	broken := errors.New("the disk is broken")
	var last error
	for _, err := range Read(io.MultiReader(bytes.NewReader(text[:10]), failing{broken}), Filter{}) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("got %v", last)
	}
	if _, err := Verify(failing{broken}, testKey); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
