package vaultstore

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
)

// Apply works out what a put leaves behind, for the authors of backends: the
// entry to be written, a copy, with the generation after stored's. stored is
// what is there: its Generation is 0 when nothing ever was, and it has no
// Stages when it was deleted. Apply checks everything that [Store.Put]
// promises to check.
func Apply(c Capabilities, stored, put Entry, expect uint64) (Entry, error) {
	if err := CheckPut(c, put); err != nil {
		return Entry{}, err
	}
	if err := checkGeneration(stored, expect); err != nil {
		return Entry{}, err
	}
	if len(stored.Stages) > 0 && put.Class.Rank() < stored.Class.Rank() {
		return Entry{}, fmt.Errorf("%w: it is stored as a %s, which a put cannot lower to a %s; delete it first",
			ErrClass, className(stored.Class), className(put.Class))
	}
	next := stored.Clone()
	next.Address, next.Class, next.Generation = put.Address, put.Class, stored.Generation+1
	for stage, v := range put.Stages {
		if v.Value.IsZero() {
			delete(next.Stages, stage)
			continue
		}
		if v.Status == "" {
			v.Status = Active
		}
		next.Stages[stage] = v.clone()
	}
	if len(next.Stages) == 0 {
		return Entry{}, fmt.Errorf("%w: no value would be left; delete it instead", ErrInvalid)
	}
	return next, nil
}

// ApplyDelete works out the tombstone that a delete leaves: the next
// generation, no stages.
func ApplyDelete(stored Entry, expect uint64) (Entry, error) {
	if len(stored.Stages) == 0 {
		return Entry{}, ErrNotFound
	}
	if err := checkGeneration(stored, expect); err != nil {
		return Entry{}, err
	}
	return Entry{Address: stored.Address, Class: stored.Class, Generation: stored.Generation + 1}, nil
}

func checkGeneration(stored Entry, expect uint64) error {
	switch {
	case expect == AnyGeneration || expect == stored.Generation:
		return nil
	case expect == CreateOnly && len(stored.Stages) == 0:
		return nil
	case expect == CreateOnly:
		return fmt.Errorf("%w: it exists, at generation %d", ErrConflict, stored.Generation)
	}
	return fmt.Errorf("%w: it is at generation %d, not %d", ErrConflict, stored.Generation, expect)
}

// CheckPut checks what can be checked of a put without knowing what is
// stored, so that a backend can refuse before it takes a lock.
func CheckPut(c Capabilities, put Entry) error {
	if err := put.Address.Validate(); err != nil {
		return err
	}
	if ok, why := c.Stores(put.Class); !ok {
		return fmt.Errorf("%w: a %s is not stored here: %s", ErrClass, className(put.Class), why)
	}
	for stage, v := range put.Stages {
		if !stage.Valid() {
			return fmt.Errorf("%w: there is no stage %q", ErrInvalid, stage)
		}
		if stage != Current && !c.Stages {
			return fmt.Errorf("%w: this store keeps no stage but %s", ErrInvalid, Current)
		}
		if v.Value.IsZero() {
			continue
		}
		if err := checkVersion(c, v); err != nil {
			return err
		}
	}
	return nil
}

// minTelling is the length in bytes from which finding a value in a text says
// that it was put there.
const minTelling = 4

func checkVersion(c Capabilities, v Version) error {
	value := v.Value.Reveal()
	switch {
	case len(value) > c.MaxValue:
		return fmt.Errorf("%w: a value may have %d bytes", ErrTooLarge, c.MaxValue)
	case !v.Provenance.Valid():
		return fmt.Errorf("%w: there is no provenance %q", ErrInvalid, v.Provenance)
	case v.Status != "" && !v.Status.Valid():
		return fmt.Errorf("%w: there is no status %q", ErrInvalid, v.Status)
	case len(v.Reason) > MaxReasonBytes:
		return fmt.Errorf("%w: a reason may have %d bytes", ErrTooLarge, MaxReasonBytes)
	case !utf8.ValidString(v.Reason):
		return fmt.Errorf("%w: the reason is not UTF-8", ErrInvalid)
	case len(v.Account) > MaxAccountBytes:
		return fmt.Errorf("%w: an account's name may have %d bytes", ErrTooLarge, MaxAccountBytes)
	case !utf8.ValidString(v.Account):
		return fmt.Errorf("%w: the account's name is not UTF-8", ErrInvalid)
	case len(value) >= minTelling && bytes.Contains([]byte(v.Account), value):
		return fmt.Errorf("%w: the account's name holds the value", ErrInvalid)
	case len(value) >= minTelling && bytes.Contains([]byte(v.Reason), value):
		return fmt.Errorf("%w: the reason holds the value", ErrInvalid)
	}
	for _, t := range v.times() {
		if y := t.UTC().Year(); y < 1 || y > 9999 {
			return fmt.Errorf("%w: a time lies outside the years 1 to 9999", ErrInvalid)
		}
	}
	return nil
}

// className is a class as an error says it.
func className(c abi.Class) string {
	if c == abi.ClassNone {
		return "plain identity"
	}
	return fmt.Sprintf("%q", string(c))
}
