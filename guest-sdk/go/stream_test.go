package sallyport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

type note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Book string `json:"book,omitempty"`
}

func noteKey(n note) sallyport.Key { return sallyport.Key{n.ID} }

// notes runs f with a stream of notes.
func notes(h sallyporttest.Host, f func(s *sallyport.Stream[note]) error) *sallyporttest.Result {
	return h.Run(func(_ context.Context, run *sallyport.Run) error {
		return f(sallyport.NewStream(run, "notes", noteKey, "id", "book"))
	})
}

func TestEmit(t *testing.T) {
	r := notes(host(), func(s *sallyport.Stream[note]) error {
		return errors.Join(s.Emit(note{ID: "1", Text: "<b> & \u2028"}), s.Delete("2"))
	})
	succeeded(t, r)
	want := []sallyporttest.Record{
		{Stream: "notes", Key: sallyport.Key{"1"}, Data: json.RawMessage(`{"id":"1","text":"<b> & \u2028"}`)},
		{Stream: "notes", Key: sallyport.Key{"2"}, Delete: true},
	}
	if !reflect.DeepEqual(r.Records, want) {
		t.Errorf("records %+v", r.Records)
	}
}

func TestEmitKeepsToTheScope(t *testing.T) {
	h := host()
	h.Scopes = map[string]sallyport.Scope{"notes": {Resources: []string{"1"}, Fields: []string{"text"}}}
	r := notes(h, func(s *sallyport.Stream[note]) error {
		if !s.Scope().WantsField("text") || s.Scope().WantsField("book") || s.Scope().WantsKey("2") {
			t.Errorf("scope %+v", s.Scope())
		}
		return errors.Join(s.Emit(note{ID: "1", Text: "a", Book: "b"}), s.Emit(note{ID: "2"}), s.Delete("3"))
	})
	succeeded(t, r)
	if len(r.Records) != 1 || string(r.Records[0].Data) != `{"book":"b","id":"1","text":"a"}` {
		t.Errorf("records %+v", r.Records)
	}
	h.Scopes["notes"] = sallyport.Scope{Fields: []string{"id"}}
	if r := notes(h, func(s *sallyport.Stream[note]) error { return s.Emit(note{ID: "1", Text: "a"}) }); string(r.Records[0].Data) != `{"id":"1"}` {
		t.Errorf("data %s", r.Records[0].Data)
	}
}

func TestUnwantedStreamIsDropped(t *testing.T) {
	h := host()
	h.Streams = []string{"other"}
	r := notes(h, func(s *sallyport.Stream[note]) error {
		if s.Wanted() {
			t.Error("wanted")
		}
		return errors.Join(s.Emit(note{ID: "1"}), s.Delete("1"), s.SaveState(struct{}{}), s.Progress("x", 1, -1))
	})
	succeeded(t, r)
	if len(r.Records) != 0 || len(r.State) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestScopeBounds(t *testing.T) {
	h := host()
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h.Scopes = map[string]sallyport.Scope{"notes": {Since: since, Until: since.AddDate(0, 1, 0)}}
	succeeded(t, notes(h, func(s *sallyport.Stream[note]) error {
		for offset, want := range map[time.Duration]bool{-1: false, 0: true, 31*24*time.Hour - 1: true, 31 * 24 * time.Hour: false} {
			if got := s.Scope().WantsTime(since.Add(offset)); got != want {
				t.Errorf("since + %v: %v", offset, got)
			}
		}
		return nil
	}))
}

func TestCompoundKey(t *testing.T) {
	h := host()
	h.Scopes = map[string]sallyport.Scope{"notes": {Resources: []string{`["a<","1"]`}}}
	r := h.Run(func(_ context.Context, run *sallyport.Run) error {
		s := sallyport.NewStream(run, "notes", func(n note) sallyport.Key { return sallyport.Key{n.Book, n.ID} })
		return errors.Join(s.Emit(note{ID: "1", Book: "a<"}), s.Emit(note{ID: "2", Book: "a<"}))
	})
	succeeded(t, r)
	if len(r.Records) != 1 || !reflect.DeepEqual(r.Records[0].Key, sallyport.Key{"a<", "1"}) {
		t.Errorf("records %+v", r.Records)
	}
}

func TestBadRecordsAreRefusedHere(t *testing.T) {
	succeeded(t, notes(host(), func(s *sallyport.Stream[note]) error {
		for name, err := range map[string]error{
			"empty key": s.Emit(note{}),
			"no key":    s.Delete(),
			"long key":  s.Emit(note{ID: strings.Repeat("k", 5<<10)}),
			"too large": s.Emit(note{ID: "1", Text: strings.Repeat("t", 8<<20)}),
		} {
			if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	}))
	r := host().Run(func(_ context.Context, run *sallyport.Run) error {
		s := sallyport.NewStream(run, "notes", func(c chan int) sallyport.Key { return sallyport.Key{"1"} })
		if s.Emit(make(chan int)) == nil {
			t.Error("a channel was marshalled")
		}
		return nil
	})
	succeeded(t, r)
}

func TestBatchesKeepOrder(t *testing.T) {
	const n = 5000
	r := notes(host(), func(s *sallyport.Stream[note]) error {
		for i := range n {
			if err := s.Emit(note{ID: fmt.Sprint(i), Text: strings.Repeat("x", i%700)}); err != nil {
				return err
			}
		}
		return s.Emit(note{ID: "large", Text: strings.Repeat("y", 1<<20)})
	})
	succeeded(t, r)
	for i, rec := range r.Records[:n] {
		if rec.Key[0] != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, rec.Key)
		}
	}
	if len(r.Records) != n+1 {
		t.Errorf("%d records", len(r.Records))
	}
}

func TestState(t *testing.T) {
	type cursor struct{ N int }
	count := func(_ context.Context, run *sallyport.Run) error {
		c, _, err := sallyport.LoadState[cursor](run, "notes")
		if err != nil {
			return err
		}
		c.N++
		return sallyport.NewStream(run, "notes", noteKey).SaveState(c)
	}
	h := host()
	for want := 1; want <= 3; want++ {
		r := h.Run(count)
		succeeded(t, r)
		h.State = r.State
		if got := string(r.State["notes"]); got != fmt.Sprintf(`{"N":%d}`, want) {
			t.Errorf("run %d: state %s", want, got)
		}
	}
	h.Full = true
	if r := h.Run(count); string(r.State["notes"]) != `{"N":1}` {
		t.Errorf("a full refresh went on from the state: %s", r.State["notes"])
	}
	h.Full = false
	h.State = map[string]json.RawMessage{"notes": json.RawMessage(`[]`)}
	if r := h.Run(count); r.Done.Status != "failed" || !strings.Contains(r.Done.Message, "state of notes") {
		t.Errorf("a state that cannot be read: %+v", r.Done)
	}
}

func TestStateIsNotSavedOverARefusedRecord(t *testing.T) {
	h := host()
	r := h.Run(func(_ context.Context, run *sallyport.Run) error {
		s := sallyport.NewStream(run, "notes", noteKey)
		array := sallyport.NewStream(run, "notes", func([]int) sallyport.Key { return sallyport.Key{"2"} })
		if err := errors.Join(s.Emit(note{ID: "1"}), array.Emit([]int{1}), s.Emit(note{ID: "3"})); err != nil {
			return err
		}
		err := s.SaveState(struct{}{})
		if !errors.Is(err, sallyport.ErrInvalid) || !strings.Contains(err.Error(), "emit notes 2") {
			t.Errorf("SaveState: %v does not name the refused record", err)
		}
		if again := s.Emit(note{ID: "4"}); !errors.Is(again, sallyport.ErrInvalid) {
			t.Errorf("the run goes on after a refused message: %v", again)
		}
		return nil // and the SDK does not let it pass
	})
	if r.Done.Status != "failed" || r.Done.RecordsEmitted != 1 || len(r.Records) != 1 || len(r.Saved) != 0 {
		t.Errorf("%+v, saved %q", r.Done, r.Saved)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "data is an object") {
		t.Errorf("problems %q", r.Problems)
	}
}
