package sallyporttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// session is the host's side of one run.
type session struct {
	host  Host
	ctx   context.Context
	start []byte

	mu        sync.Mutex
	result    *Result
	staged    map[string]json.RawMessage
	done      bool
	last      abi.Status // what error_text tells of
	tickets   map[uint32][]byte
	ticket    uint32
	exchanges map[uint32]*exchange
	handle    uint32
	asked     int               // how often, whether the guest is alone
	signed    map[string]string // surrogates of results, and these
	capture   *strings.Replacer // of new secrets in answers; nil when there are none
}

var _ hostcall.Functions = (*session)(nil)

// refuse answers with a status and remembers it for error_text.
func (s *session) refuse(st abi.Status) abi.Result {
	if st != abi.StatusAgain {
		s.last = st
	}
	return abi.Result(st)
}

// over reports whether the run has been stopped.
func (s *session) over() bool { return s.ctx.Err() != nil }

// give writes a result to out, and keeps it under a ticket when it does not
// fit.
func (s *session) give(whole, out []byte) abi.Result {
	if copy(out, whole) == len(whole) {
		return abi.OK(uint32(len(whole)), 0)
	}
	s.ticket++
	s.tickets[s.ticket] = bytes.Clone(whole)
	return abi.OK(uint32(len(whole)), s.ticket)
}

func (s *session) FetchResult(ticket, offset uint32, out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole, ok := s.tickets[ticket]
	if !ok {
		return s.refuse(abi.StatusNotFound)
	}
	if int(offset) > len(whole) {
		return s.refuse(abi.StatusInvalid)
	}
	n := copy(out, whole[offset:])
	if int(offset)+n == len(whole) {
		delete(s.tickets, ticket)
	}
	return abi.OK(uint32(n), 0)
}

func (s *session) ErrorText(out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == abi.StatusOK {
		return abi.OK(0, 0)
	}
	return s.give([]byte(s.last.Text()), out)
}

func (s *session) Input(out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.give(s.start, out)
}

func (s *session) Log(level uint32, line []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{"debug", "info", "warn", "error"}
	if int(level) >= len(names) {
		return s.refuse(abi.StatusInvalid)
	}
	s.result.Log = append(s.result.Log, names[level]+": "+string(line[:min(len(line), abi.MaxLogBytes)]))
	return abi.OK(0, 0)
}

func (s *session) Use(name string, out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if account, ok := s.host.Identities[name]; ok && !s.over() {
		return s.give([]byte(account), out)
	}
	value, ok := s.host.Credentials[name]
	switch {
	case s.over():
		return s.refuse(abi.StatusCancelled)
	case !ok:
		return s.refuse(abi.StatusDenied)
	case value == "":
		return s.refuse(abi.StatusNotFound)
	}
	return s.give([]byte(Surrogate(name)), out)
}

func (s *session) Status(name string, out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, identity := s.host.Identities[name]
	value, ok := s.host.Credentials[name]
	if !ok && !identity {
		return s.refuse(abi.StatusDenied)
	}
	status := map[string]string{"state": abi.CredentialActive}
	if !identity {
		status["class"] = "long_lived_token"
		if value == "" {
			status["state"] = abi.CredentialMissing
		}
	}
	raw, _ := json.Marshal(status) // a map of strings always encodes
	return s.give(raw, out)
}

func (s *session) Reject(name string, reason uint32) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.host.Credentials[name]; !ok {
		return s.refuse(abi.StatusDenied)
	}
	if reason < abi.RejectUnauthorized || reason > abi.RejectScope {
		return s.refuse(abi.StatusInvalid)
	}
	s.result.Rejected = append(s.result.Rejected, name)
	return abi.OK(0, 0)
}

func (s *session) Interact(message, out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ask struct {
		RequestID string `json:"request_id"`
		Message   string `json:"message"`
	}
	if json.Unmarshal(message, &ask) != nil || ask.Message == "" {
		s.problem("an interaction needs a message")
		return s.refuse(abi.StatusInvalid)
	}
	answer := map[string]any{"type": abi.TypeInteractionResponse, "request_id": ask.RequestID, "status": abi.InteractionCancelled}
	if s.host.Answer != nil {
		answer["status"], answer["data"] = abi.InteractionSuccess, s.host.Answer(bytes.Clone(message))
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		s.problem("Answer: %v", err)
		return s.refuse(abi.StatusInvalid)
	}
	return s.give(raw, out)
}

// Emit takes line after line, up to the first that is wrong.
func (s *session) Emit(lines []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over() {
		return s.refuse(abi.StatusCancelled)
	}
	taken := uint32(0)
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if err := s.take(line); err != nil {
			s.problem("%v", err)
			s.last = abi.StatusInvalid
			break
		}
		taken++
	}
	return abi.OK(taken, 0)
}

// line is any message that a connector emits.
type line struct {
	Type      string          `json:"type"`
	Stream    string          `json:"stream"`
	Key       json.RawMessage `json:"key"`
	Data      json.RawMessage `json:"data"`
	EmittedAt string          `json:"emitted_at"`
	Op        string          `json:"op"`
	Cursor    json.RawMessage `json:"cursor"`
	Message   string          `json:"message"`
	Status    string          `json:"status"`
	Count     int             `json:"records_emitted"`
	Error     struct {
		Message   string                   `json:"message"`
		Code      string                   `json:"code"`
		Retryable bool                     `json:"retryable"`
		Recovery  sallyport.RecoveryAction `json:"recovery_hint"`
	} `json:"error"`
}

func (s *session) take(raw []byte) error {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return err
	}
	switch {
	case s.done:
		return errors.New("nothing may follow DONE")
	case l.Stream != "" && !slices.Contains(s.host.Streams, l.Stream):
		return errors.New("stream " + l.Stream + " is not in scope")
	}
	switch l.Type {
	case abi.TypeRecord:
		return s.takeRecord(l)
	case abi.TypeState:
		if !isObject(l.Cursor) {
			return errors.New("a cursor is an object")
		}
		s.staged[l.Stream] = l.Cursor
		s.result.Saved = append(s.result.Saved, l.Stream)
	case abi.TypeProgress:
		if l.Message == "" {
			return errors.New("progress needs a message")
		}
		s.result.Progress = append(s.result.Progress, l.Message)
	case abi.TypeSkipResult:
		s.result.Skips = append(s.result.Skips, bytes.Clone(raw))
	case abi.TypeDetailGap:
		s.result.Gaps = append(s.result.Gaps, bytes.Clone(raw))
	case abi.TypeDetailCoverage:
		s.result.Coverage = append(s.result.Coverage, bytes.Clone(raw))
	case abi.TypeDone:
		s.done = true
		s.result.Done = Done{l.Status, l.Count, l.Error.Code, l.Error.Message, l.Error.Retryable, l.Error.Recovery}
	default:
		return errors.New("a connector does not emit " + l.Type)
	}
	return nil
}

func (s *session) takeRecord(l line) error {
	var key sallyport.Key
	var one string
	if json.Unmarshal(l.Key, &one) == nil {
		key = sallyport.Key{one}
	} else if json.Unmarshal(l.Key, &key) != nil || len(key) == 0 {
		return errors.New("a key is a string or a list of strings")
	}
	if _, err := time.Parse(time.RFC3339, l.EmittedAt); err != nil {
		return errors.New("emitted_at is not a time")
	}
	switch {
	case l.Op != "" && l.Op != abi.OpDelete:
		return errors.New("op is delete or absent")
	case l.Op == "" && !isObject(l.Data):
		return errors.New("a record's data is an object")
	}
	s.result.Records = append(s.result.Records, Record{l.Stream, key, l.Data, l.Op == abi.OpDelete})
	return nil
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }
