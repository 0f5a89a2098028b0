package sallyporttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// capturedAs is the surrogate of a secret that came with an answer.
func capturedAs(name string) string { return Surrogate("captured " + name) }

// capture makes what takes new secrets out of answers.
func (h Host) capture() *strings.Replacer {
	var pairs []string
	for name, value := range h.Captured {
		if value != "" {
			pairs = append(pairs, value, capturedAs(name))
		}
	}
	if pairs == nil {
		return nil
	}
	return strings.NewReplacer(pairs...)
}

func (s *session) Sign(name, template string, data, out []byte) abi.Result {
	return s.sign(name, template, data, out)
}

func (s *session) TOTP(name string, out []byte) abi.Result { return s.sign(name, "", nil, out) }

func (s *session) sign(name, template string, data, out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.standing(name); st != abi.StatusOK {
		return s.refuse(st)
	}
	if s.host.Sign == nil {
		return s.refuse(abi.StatusInvalid)
	}
	value, ok := s.host.Sign(name, template, slices.Clone(data))
	if !ok {
		return s.refuse(abi.StatusInvalid)
	}
	surrogate := Surrogate(fmt.Sprintf("%s %s %d", name, template, len(s.signed)))
	s.signed[surrogate] = value
	return s.give([]byte(surrogate), out)
}

// standing is what a call about a credential is refused with.
func (s *session) standing(name string) abi.Status {
	value, ok := s.host.Credentials[name]
	switch {
	case s.over():
		return abi.StatusCancelled
	case !ok:
		return abi.StatusDenied
	case value == "":
		return abi.StatusNotFound
	}
	return abi.StatusOK
}

func (s *session) Put(name, captured string, meta []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var said struct {
		ExpiresAt time.Time `json:"expires_at"`
	}
	value, ok := s.host.Captured[name]
	switch {
	case s.over():
		return s.refuse(abi.StatusCancelled)
	case !ok || captured != capturedAs(name):
		return s.refuse(abi.StatusDenied)
	case len(meta) > 0 && json.Unmarshal(meta, &said) != nil:
		return s.refuse(abi.StatusInvalid)
	}
	s.result.Stored = append(s.result.Stored, Stored{name, value, said.ExpiresAt})
	return abi.OK(0, 0)
}

func (s *session) Reveal(name string, out []byte) abi.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.standing(name); st != abi.StatusOK {
		return s.refuse(st)
	}
	if !slices.Contains(s.host.Reveal, name) {
		return s.refuse(abi.StatusDenied)
	}
	return s.give([]byte(s.host.Credentials[name]), out)
}
