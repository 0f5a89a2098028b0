package agefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// formatVersion is the version of every sealed body.
const formatVersion = 1

// state says what an address is in one class's tree.
type state string

const (
	stateNone    state = ""        // nothing was ever here
	stateLive    state = "live"    // it has stages
	stateDeleted state = "deleted" // a tombstone
	stateMoved   state = "moved"   // a tombstone: its class was raised
)

// envelope is the body of a secret's file.
type envelope struct {
	Format     int       `json:"fmt"`
	StoreID    string    `json:"store_id"`
	Owner      string    `json:"owner"`
	Connector  string    `json:"connector"`
	Instance   string    `json:"instance"`
	Grant      string    `json:"grant"`
	Name       string    `json:"name"`
	Class      string    `json:"class"`
	Generation uint64    `json:"generation"`
	State      state     `json:"state"`
	WrittenAt  time.Time `json:"written_at"`
	Stages     struct {
		Current  *version `json:"current,omitempty"`
		Previous *version `json:"previous,omitempty"`
		Pending  *version `json:"pending,omitempty"`
	} `json:"stages"`
}

type version struct {
	Value        []byte    `json:"value"` // base64
	Provenance   string    `json:"provenance"`
	Status       string    `json:"status"`
	Reason       string    `json:"reason,omitempty"`
	ObtainedAt   time.Time `json:"obtained_at"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	LastUsed     time.Time `json:"last_used,omitzero"`
	LastVerified time.Time `json:"last_verified,omitzero"`
	RotatedAt    time.Time `json:"rotated_at,omitzero"`
	Account      string    `json:"account,omitempty"`
}

// slots pairs the stages with where they stand in v.
func (v *envelope) slots() map[vaultstore.Stage]**version {
	return map[vaultstore.Stage]**version{
		vaultstore.Current:  &v.Stages.Current,
		vaultstore.Previous: &v.Stages.Previous,
		vaultstore.Pending:  &v.Stages.Pending,
	}
}

// encodeEnvelope writes e, which is in state st, as a body.
func encodeEnvelope(storeID string, e vaultstore.Entry, st state, now time.Time) ([]byte, error) {
	v := envelope{
		Format: formatVersion, StoreID: storeID,
		Owner: e.Address.Owner, Connector: e.Address.Connector, Instance: e.Address.Instance,
		Grant: e.Address.Grant, Name: e.Address.Name,
		Class: string(e.Class), Generation: e.Generation, State: st, WrittenAt: now.UTC().Round(0),
	}
	for stage, slot := range v.slots() {
		if from, ok := e.Stages[stage]; ok {
			*slot = &version{
				Value:      from.Value.Reveal(),
				Provenance: string(from.Provenance), Status: string(from.Status), Reason: from.Reason,
				ObtainedAt: from.ObtainedAt, ExpiresAt: from.ExpiresAt,
				LastUsed: from.LastUsed, LastVerified: from.LastVerified, RotatedAt: from.RotatedAt, Account: from.Account,
			}
		}
	}
	return json.Marshal(&v)
}

// decodeEnvelope reads a body whose seal has been checked. It still refuses
// whatever encodeEnvelope would not have written.
func decodeEnvelope(body []byte) (storeID string, e vaultstore.Entry, st state, err error) {
	var v envelope
	if err := decodeStrict(body, &v); err != nil {
		return "", vaultstore.Entry{}, "", err
	}
	defer v.clear()
	if err := v.check(); err != nil {
		return "", vaultstore.Entry{}, "", err
	}
	e = vaultstore.Entry{
		Address: vaultstore.Address{Owner: v.Owner, Connector: v.Connector, Instance: v.Instance, Grant: v.Grant, Name: v.Name},
		Class:   abi.Class(v.Class), Generation: v.Generation,
		Stages: make(map[vaultstore.Stage]vaultstore.Version),
	}
	for stage, slot := range v.slots() {
		if from := *slot; from != nil {
			e.Stages[stage] = vaultstore.Version{
				Value:      vaultstore.NewSecret(from.Value),
				Provenance: vaultstore.Provenance(from.Provenance), Status: vaultstore.Status(from.Status), Reason: from.Reason,
				ObtainedAt: from.ObtainedAt, ExpiresAt: from.ExpiresAt,
				LastUsed: from.LastUsed, LastVerified: from.LastVerified, RotatedAt: from.RotatedAt, Account: from.Account,
			}
		}
	}
	return v.StoreID, e, v.State, nil
}

func (v *envelope) clear() {
	for _, slot := range v.slots() {
		if *slot != nil {
			clear((*slot).Value)
		}
	}
}

func (v *envelope) check() error {
	if v.Format != formatVersion {
		return fmt.Errorf("%w: its format is version %d, this program reads %d", vaultstore.ErrInvalid, v.Format, formatVersion)
	}
	stages := 0
	for _, slot := range v.slots() {
		if *slot == nil {
			continue
		}
		stages++
		if err := (*slot).check(); err != nil {
			return err
		}
	}
	switch {
	case v.Generation == 0 || v.Generation == vaultstore.AnyGeneration:
		return malformed("generation")
	case v.State == stateLive && stages > 0:
	case (v.State == stateDeleted || v.State == stateMoved) && stages == 0:
	default:
		return malformed("state")
	}
	return nil
}

func (v *version) check() error {
	switch {
	case v.Value == nil:
		return malformed("value")
	case !vaultstore.Provenance(v.Provenance).Valid():
		return malformed("provenance")
	case !vaultstore.Status(v.Status).Valid():
		return malformed("status")
	}
	return nil
}

// malformed names the member, never what stood there.
func malformed(member string) error {
	return fmt.Errorf("%w: malformed %s", vaultstore.ErrTampered, member)
}

// decodeStrict reads one JSON value into v: no unknown member, no member
// twice, nothing after it but the newlines that fill up a body. Its errors
// quote nothing.
func decodeStrict(body []byte, v any) error {
	body = bytes.TrimRight(body, "\n")
	if err := noDuplicates(body); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return malformed("body")
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed("end")
	}
	return nil
}

var errDuplicate = errors.New("a member stands there twice")

// noDuplicates refuses an object that has two members of one name, also when
// only their case differs: encoding/json would let the last one win.
func noDuplicates(body []byte) error {
	type level struct{ members map[string]bool } // nil in an array
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	key := false // the next token is a member's name
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return malformed("body")
		}
		switch tok {
		case json.Delim('{'):
			stack, key = append(stack, level{make(map[string]bool)}), true
			continue
		case json.Delim('['):
			stack, key = append(stack, level{}), false
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		default:
			if key {
				name := strings.ToLower(tok.(string))
				top := stack[len(stack)-1]
				if top.members[name] {
					return fmt.Errorf("%w: %w", vaultstore.ErrTampered, errDuplicate)
				}
				top.members[name], key = true, false
				continue
			}
		}
		key = len(stack) > 0 && stack[len(stack)-1].members != nil
	}
}
