// Package sallyporttest stands in for a Sallyport host in the unit tests of
// connectors, natively: no WebAssembly, no vault, no server.
//
// # Promise
//
// A connector that runs here runs in a guest the same way: the same calls, the
// same results, surrogates for credentials, requests that overlap. Messages
// are checked for what a connector gets wrong most often; what it may send
// where is not checked, but that a surrogate stands in a header, in the path or
// the query of an address, for a whole address or in an authentication command
// of a stream. In a body none is taken: the real host takes some there, and is
// stricter everywhere else.
//
// # Use
//
//	host := sallyporttest.Host{
//		Streams:     []string{"notes"},
//		Options:     map[string]any{"base_url": "https://notes.example"},
//		Credentials: map[string]string{"API_TOKEN": "canary"},
//		Source:      sallyporttest.Handler(fakeSource),
//	}
//	first := host.Run(collect)
//	host.State = first.State
//	second := host.Run(collect)
package sallyporttest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Host says what a run is given. It may be used for several runs, one after
// another or at the same time; a run does not change it.
type Host struct {
	// Streams are in scope, each whole unless Scopes narrows it.
	Streams []string
	Scopes  map[string]sallyport.Scope
	// Full asks for a full refresh. Otherwise the run is incremental, from
	// State: an earlier run's [Result.State].
	Full    bool
	State   map[string]json.RawMessage
	Options map[string]any
	// Credentials are the declared credentials and their values; an empty
	// value is a credential that is missing. Identities are account names.
	Credentials map[string]string
	Identities  map[string]string
	// Source answers all requests, with the credentials' values put in:
	// http.DefaultTransport for real servers, or a [Handler]. nil reaches
	// nobody.
	Source http.RoundTripper
	// Dial connects to a server that a connector opens a stream to, given the
	// address as it wrote it: to one end of a net.Pipe, or to a real server, TLS
	// included. nil reaches nobody. Values are put into IMAP's LOGIN (quoted
	// strings) and AUTHENTICATE, and SMTP's AUTH.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Sign computes what a credential with access sign or totp gives: template
	// and data are empty for a code. The connector gets a surrogate, which is
	// swapped as the others are. nil, or false, is a refusal as invalid.
	Sign func(name, template string, data []byte) (result string, ok bool)
	// Captured are secrets that come with answers, by the name that a manifest's
	// capture gives them: the connector reads a surrogate in their place.
	Captured map[string]string
	// Reveal are the credentials that may be revealed.
	Reveal []string
	// Answer answers an interaction, given its JSON. nil answers that nobody
	// is there.
	Answer func(interaction json.RawMessage) map[string]any
}

// Record is a record that was emitted.
type Record struct {
	Stream string
	Key    sallyport.Key
	Data   json.RawMessage // nil on delete
	Delete bool
}

// Stored is a credential that a connector put.
type Stored struct {
	Name      string
	Value     string
	ExpiresAt time.Time // zero when it did not say
}

// Done is how a run ended.
type Done struct {
	Status         string
	RecordsEmitted int
	// The rest is empty on succeeded.
	Code      string
	Message   string
	Retryable bool
	Recovery  sallyport.RecoveryAction
}

// Result is all that came out of a run.
type Result struct {
	Done    Done
	Records []Record
	// State is what the next run starts from: Host.State, with the cursors of
	// this run when it has succeeded.
	State    map[string]json.RawMessage
	Saved    []string // the streams whose cursors were emitted, in order
	Progress []string
	Skips    []json.RawMessage
	Gaps     []json.RawMessage // the DETAIL_GAPs
	Coverage []json.RawMessage // the DETAIL_COVERAGEs
	Log      []string          // "warn: message key=value"
	Rejected []string          // the credentials that the connector said were refused
	Requests []string          // "GET https://…", "open imaps://…", in the order of sending
	Stored   []Stored          // what was put
	// Open is how many responses were left neither read to their end nor
	// closed, and how many streams not closed.
	Open int
	// Problems are the connector's breaches of the protocol.
	Problems []string
}

// Of returns the records of one stream.
func (r *Result) Of(stream string) []Record {
	var of []Record
	for _, rec := range r.Records {
		if rec.Stream == stream {
			of = append(of, rec)
		}
	}
	return of
}

// Surrogate returns the surrogate that stands for a credential in every run.
func Surrogate(name string) string {
	sum := sha256.Sum256([]byte(name))
	return abi.SurrogatePrefix + hex.EncodeToString(sum[:])[:abi.SurrogateLen-len(abi.SurrogatePrefix)]
}

// Run runs a connector's function to its end.
func (h Host) Run(connector func(ctx context.Context, run *sallyport.Run) error) *Result {
	return h.RunContext(context.Background(), connector)
}

// RunContext does the same, and stops the run when ctx ends: every call is
// then answered with "cancelled".
func (h Host) RunContext(ctx context.Context, connector func(ctx context.Context, run *sallyport.Run) error) *Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{host: h, ctx: ctx, result: &Result{State: maps.Clone(h.State)}, staged: map[string]json.RawMessage{},
		exchanges: map[uint32]*exchange{}, tickets: map[uint32][]byte{}, signed: map[string]string{}, capture: h.capture()}
	start, err := json.Marshal(h.start())
	if err != nil {
		s.problem("the options or the state cannot be written as JSON: %v", err)
		return s.result
	}
	s.start = start
	if !sallyport.RunOn(s, connector) {
		s.problem("DONE was not taken")
	}
	return s.end()
}

func (h Host) start() map[string]any {
	streams := []map[string]any{}
	for _, name := range h.Streams {
		stream := map[string]any{"name": name}
		if scope, ok := h.Scopes[name]; ok {
			addScope(stream, scope)
		}
		streams = append(streams, stream)
	}
	mode, state := abi.Incremental, h.State
	if h.Full {
		mode, state = abi.FullRefresh, nil
	}
	start := map[string]any{"type": abi.TypeStart, "run_id": "run_test", "collection_mode": mode, "state": state,
		"scope": map[string]any{"streams": streams}, "bindings": map[string]any{"network": map[string]any{}}}
	if h.Options != nil {
		start["options"] = h.Options
	}
	return start
}

func addScope(stream map[string]any, scope sallyport.Scope) {
	if len(scope.Resources) > 0 {
		stream["resources"] = scope.Resources
	}
	if len(scope.Fields) > 0 {
		stream["fields"] = scope.Fields
	}
	bounds := map[string]string{}
	if !scope.Since.IsZero() {
		bounds["since"] = scope.Since.Format(time.RFC3339)
	}
	if !scope.Until.IsZero() {
		bounds["until"] = scope.Until.Format(time.RFC3339)
	}
	if len(bounds) > 0 {
		stream["time_range"] = bounds
	}
}

// end closes what is open and commits what was staged.
func (s *session) end() *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Open = len(s.exchanges)
	for _, x := range s.exchanges {
		x.close()
	}
	switch {
	case !s.done:
		s.problem("the connector ended without DONE")
	case s.result.Done.RecordsEmitted != len(s.result.Records):
		s.problem("DONE counts %d records, %d were emitted", s.result.Done.RecordsEmitted, len(s.result.Records))
	case s.result.Done.Status == abi.Succeeded:
		if s.result.State == nil {
			s.result.State = map[string]json.RawMessage{}
		}
		maps.Copy(s.result.State, s.staged)
	}
	return s.result
}

// problem notes a breach of the protocol, each once.
func (s *session) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.result.Problems, text) {
		s.result.Problems = append(s.result.Problems, text)
	}
}
