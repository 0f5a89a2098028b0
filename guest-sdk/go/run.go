package sallyport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// Run is one run of the connector: what it was asked for, and the way to
// everything that the host does for it. [Main] makes it. Its methods may be
// called from several goroutines; they do not block, but for
// [Run.Interact]. After the connector's function has returned they fail with
// [ErrEnded].
type Run struct {
	host   hostcall.Host
	start  start
	issued issued
	stop   context.CancelCauseFunc

	mu      sync.Mutex
	out     bytes.Buffer  // messages not yet handed over
	enc     *json.Encoder // to out
	waiting []waiting     // one for each message in out
	records int64         // that the host took
	asked   int           // interactions so far
	broken  error         // the host refused a message: the run cannot succeed any more
	ended   bool
	spare   []byte    // room for a head; nil while it is in use
	yielded time.Time // when the others had their turn
}

// start is the START message. Members that are not known are ignored.
type start struct {
	Type    string `json:"type"`
	RunID   string `json:"run_id"`
	Mode    string `json:"collection_mode"`
	Streams struct {
		List []wireScope `json:"streams"`
	} `json:"scope"`
	State    map[string]json.RawMessage `json:"state"`
	Bindings map[string]json.RawMessage `json:"bindings"`
	Options  json.RawMessage            `json:"options"`

	scopes  map[string]Scope
	options map[string]any
}

// newRun reads START.
func newRun(host hostcall.Host, stop context.CancelCauseFunc) (*Run, error) {
	r := &Run{host: host, stop: stop}
	r.enc = json.NewEncoder(&r.out)
	r.enc.SetEscapeHTML(false)
	raw, err := r.result("input", "", make([]byte, 16<<10), host.Input)
	if err != nil {
		return r, err
	}
	if err := r.start.read(raw); err != nil {
		return r, fmt.Errorf("START: %w", err)
	}
	return r, nil
}

func (s *start) read(raw []byte) error {
	if err := json.Unmarshal(raw, s); err != nil {
		return err
	}
	if s.Type != abi.TypeStart || s.RunID == "" || len(s.Streams.List) == 0 {
		return errors.New("not a START message with a run_id and streams")
	}
	if s.Mode != abi.FullRefresh && s.Mode != abi.Incremental {
		return fmt.Errorf("unknown collection_mode %q", s.Mode)
	}
	if len(s.Options) > 0 {
		if err := json.Unmarshal(s.Options, &s.options); err != nil {
			return fmt.Errorf("options: %w", err)
		}
	}
	s.scopes = make(map[string]Scope, len(s.Streams.List))
	for _, w := range s.Streams.List {
		scope, err := w.scope()
		if err != nil {
			return fmt.Errorf("scope of %s: %w", w.Name, err)
		}
		s.scopes[w.Name] = scope
	}
	return nil
}

// ID returns the run's id, for logs.
func (r *Run) ID() string { return r.start.RunID }

// Incremental reports whether the run goes on from saved state; otherwise
// everything is wanted again, and [LoadState] finds nothing.
func (r *Run) Incremental() bool { return r.start.Mode == abi.Incremental }

// Streams returns the names of the streams that are wanted, in the order in
// which they were asked for.
func (r *Run) Streams() []string {
	names := make([]string, len(r.start.Streams.List))
	for i, s := range r.start.Streams.List {
		names[i] = s.Name
	}
	return names
}

// Scope returns what is wanted of a stream; ok is false when the stream is
// not wanted at all.
func (r *Run) Scope(stream string) (scope Scope, ok bool) {
	scope, ok = r.start.scopes[stream]
	return scope, ok
}

// HasBinding reports whether the host offers a binding, such as
// "interactive".
func (r *Run) HasBinding(name string) bool {
	_, ok := r.start.Bindings[name]
	return ok
}

// Option returns an option as the owner approved it: a string as it is, a
// number or a boolean in Go's notation, "" when there is none of that name.
// Lists and objects are for [Run.DecodeOptions].
func (r *Run) Option(name string) string {
	switch v := r.start.options[name].(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// Options returns all options, decoded as by encoding/json.
func (r *Run) Options() map[string]any {
	if r.start.options == nil {
		return map[string]any{}
	}
	return maps.Clone(r.start.options)
}

// DecodeOptions decodes the options into a struct, as encoding/json does.
func (r *Run) DecodeOptions(into any) error {
	if len(r.start.Options) == 0 {
		return json.Unmarshal([]byte("{}"), into)
	}
	return json.Unmarshal(r.start.Options, into)
}

// result makes a call whose result is written to out, and fetches it whole
// when it did not fit.
func (r *Run) result(op, name string, out []byte, call func(out []byte) abi.Result) ([]byte, error) {
	return r.fetch(op, name, out, call(out))
}

// fetch returns the result of a call that was given out, whole.
func (r *Run) fetch(op, name string, out []byte, res abi.Result) ([]byte, error) {
	if st := res.Status(); st != abi.StatusOK {
		return nil, r.refused(op, name, st)
	}
	n := int(res.Len())
	if res.Ticket() == 0 && n <= len(out) {
		return out[:n], nil
	}
	whole := make([]byte, n)
	for got := 0; got < n; {
		part := r.host.FetchResult(res.Ticket(), uint32(got), whole[got:])
		if st := part.Status(); st != abi.StatusOK {
			return nil, r.refused("fetch_result", op, st)
		}
		if part.Len() == 0 {
			return nil, &Error{Op: "fetch_result", Name: op, Status: ErrInvalid, Text: "cut short"}
		}
		got += int(part.Len())
	}
	return whole, nil
}

// headRoom is for a head; that of a larger response is fetched apart.
const headRoom = 2 << 10

// room returns room for a head, which reuse takes back.
func (r *Run) room() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.spare
	if r.spare = nil; room == nil {
		room = make([]byte, headRoom)
	}
	return room
}

func (r *Run) reuse(room []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spare = room
}

// yieldAfter is how long what came due may wait for a goroutine that never
// parks.
const yieldAfter = time.Millisecond

// yield lets what came due while the host waited have its turn: timers, the
// garbage collector.
func (r *Run) yield() {
	r.mu.Lock()
	due := time.Since(r.yielded) > yieldAfter
	if due {
		r.yielded = time.Now()
	}
	r.mu.Unlock()
	if due {
		runtime.Gosched()
	}
}

// refused makes the error of a status that a call returned. One that says that
// the run is over cancels the run's context, so that all of its goroutines
// learn of it.
func (r *Run) refused(op, name string, st abi.Status) error {
	return r.stopFor(&Error{Op: op, Name: name, Status: Status(st), Text: r.errorText()})
}

// failed makes the error of a status that came some other way than as a
// call's result, so that the host's last text is not about it.
func (r *Run) failed(op, name string, st abi.Status) error {
	return r.stopFor(&Error{Op: op, Name: name, Status: Status(st)})
}

func (r *Run) stopFor(err *Error) error {
	if st := abi.Status(err.Status); st == abi.StatusCancelled || st == abi.StatusRevoked {
		r.stop(err)
	}
	return err
}

func (r *Run) errorText() string {
	var text [256]byte
	res := r.host.ErrorText(text[:])
	if res.Status() != abi.StatusOK || res.Ticket() != 0 || int(res.Len()) > len(text) {
		return "" // it is there to help; the status says enough
	}
	return string(text[:res.Len()])
}
