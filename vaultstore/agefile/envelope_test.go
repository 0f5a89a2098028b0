package agefile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const goodBody = `{"fmt":1,"store_id":"s","owner":"alice","connector":"github","instance":"default","grant":"self","name":"A",` +
	`"class":"session","generation":7,"state":"live","written_at":"2026-02-03T04:05:06.000000007Z",` +
	`"stages":{"current":{"value":"dmFsdWU=","provenance":"user_entered","status":"active","obtained_at":"2026-02-03T04:05:06.000000007Z"}}}`

// The body is part of the format.
func TestEnvelopeBody(t *testing.T) {
	e := entryOf(at("A"), session, "value")
	e.Generation = 7
	body, err := encodeEnvelope("s", e, stateLive, when)
	if err != nil || string(body) != goodBody {
		t.Errorf("got %s, %v", body, err)
	}
	storeID, got, st, err := decodeEnvelope(append([]byte(goodBody), "\n\n\n"...))
	if err != nil || storeID != "s" || st != stateLive || got.Address != e.Address || got.Class != session || got.Generation != 7 ||
		!got.Stages[vaultstore.Current].Value.Equal(e.Stages[vaultstore.Current].Value) || !got.Stages[vaultstore.Current].ObtainedAt.Equal(when) {
		t.Errorf("got %v, %v", got, err)
	}
}

// A body that was sealed by a faulty program, or by a later one, is refused.
func TestEnvelopeIsStrict(t *testing.T) {
	for what, change := range map[string][2]string{
		"later":              {`"fmt":1`, `"fmt":2`},
		"no version":         {`"fmt":1,`, ``},
		"unknown member":     {`"fmt":1`, `"fmt":1,"x":1`},
		"twice":              {`"fmt":1`, `"fmt":1,"fmt":1`},
		"twice, another way": {`"fmt":1`, `"fmt":1,"Fmt":1`},
		"twice, inside":      {`"value":"dmFsdWU="`, `"value":"dmFsdWU=","value":""`},
		"more after it":      {`}}}`, `}}} {}`},
		"junk after it":      {`}}}`, `}}}x`},
		"cut":                {`}}}`, `}}`},
		"no value":           {`"value":"dmFsdWU=",`, ``},
		"null value":         {`"dmFsdWU="`, `null`},
		"not base64":         {`dmFsdWU=`, `dmFsdWU`},
		"no stage":           {`"current":`, `"next":`},
		"no provenance":      {`user_entered`, ``},
		"odd status":         {`active`, `fine`},
		"generation 0":       {`:7,`, `:0,`},
		"negative":           {`:7,`, `:-7,`},
		"fraction":           {`:7,`, `:7.5,`},
		"too large":          {`:7,`, `:18446744073709551615,`},
		"odd state":          {`"live"`, `"dead"`},
		"values in a tomb":   {`"live"`, `"deleted"`},
		"year":               {`"2026-02-03T04:05:06.000000007Z","stages`, `"yesterday","stages`},
	} {
		body := strings.Replace(goodBody, change[0], change[1], 1)
		if body == goodBody {
			t.Fatalf("%s: nothing changed", what)
		}
		_, e, _, err := decodeEnvelope([]byte(body))
		if !errors.Is(err, vaultstore.ErrTampered) && !errors.Is(err, vaultstore.ErrInvalid) || len(e.Stages) > 0 {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// Sealed files differ in length by whole steps only.
func TestPadding(t *testing.T) {
	id, err := generateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	r := id.use().Recipient()
	sizes := map[int]bool{}
	for n := range padTo {
		data, err := seal([]age.Recipient{r}, make([]byte, 32), secretBinding(at("A"), token), bytes.Repeat([]byte("x"), n))
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(data)] = true
	}
	if len(sizes) != 2 {
		t.Errorf("%d bodies of up to %d bytes make %d lengths, want 2", padTo, padTo-1, len(sizes))
	}
}

// Where one part ends and the next begins is under the MAC.
func TestBindingIsUnambiguous(t *testing.T) {
	base := vaultstore.Address{Owner: "o", Connector: "c", Instance: "i", Grant: "g", Name: "n"}
	moved := vaultstore.Address{Owner: "oc", Connector: "", Instance: "i", Grant: "g", Name: "n"}
	key := make([]byte, 32)
	tags := map[string]string{}
	for what, b := range map[string]binding{
		"base": secretBinding(base, token), "moved": secretBinding(moved, token), "class": secretBinding(base, session),
		"none": secretBinding(base, abi.ClassNone), "index": indexBinding("o", token), "marks": marksBinding("o"),
		"short": {"sallyport/vault/secret/v1"},
	} {
		g := string(tag(key, b, []byte("body")))
		if other, ok := tags[g]; ok {
			t.Errorf("%s and %s have one tag", what, other)
		}
		tags[g] = what
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(goodBody))
	f.Add([]byte(strings.Replace(goodBody, `"live"`, `"deleted"`, 1)))
	f.Add([]byte(`{"fmt":1,"stages":{}}`))
	f.Add([]byte(`[[[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		storeID, e, st, err := decodeEnvelope(body)
		if err != nil {
			return
		}
		again, err := encodeEnvelope(storeID, e, st, time.Time{})
		if err != nil {
			return // a time that JSON cannot write, in a zone that moves its year
		}
		id2, e2, st2, err := decodeEnvelope(again)
		if err != nil || id2 != storeID || st2 != st || e2.Address != e.Address || e2.Class != e.Class ||
			e2.Generation != e.Generation || len(e2.Stages) != len(e.Stages) {
			t.Fatalf("written again it reads as something else: %v", err)
		}
		for stage, v := range e.Stages {
			if w := e2.Stages[stage]; !w.Value.Equal(v.Value) || !w.ExpiresAt.Equal(v.ExpiresAt) || w.Reason != v.Reason {
				t.Fatalf("stage %s reads as something else", stage)
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	ix := newIndex("alice", token, 3)
	ix.records[at("A")] = record{generation: 2, state: stateLive, expires: when}
	ix.records[at("B")] = record{generation: 1, state: stateMoved}
	body, err := encodeIndex("s", ix)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"fmt":1,"entries":[{"generation":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		storeID, ix, err := decodeIndex(body)
		if err != nil {
			return
		}
		again, err := encodeIndex(storeID, ix)
		if err != nil {
			return
		}
		id2, ix2, err := decodeIndex(again)
		if err != nil || id2 != storeID || ix2.epoch != ix.epoch || len(ix2.records) != len(ix.records) {
			t.Fatalf("written again it reads as something else: %v", err)
		}
	})
}

// No file opens that was not sealed.
func FuzzOpen(f *testing.F) {
	id, err := generateIdentity()
	if err != nil {
		f.Fatal(err)
	}
	s, err := newSealer(id.use(), []age.Recipient{id.use().Recipient()})
	if err != nil {
		f.Fatal(err)
	}
	b := secretBinding(at("A"), token)
	good, err := s.seal(b, []byte(goodBody))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("age-encryption.org/v1\n-> X25519 x\n"))
	recovery := vaultstore.NewSecret(id.file(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := s.open(b, data)
		if (err == nil) != bytes.Equal(data, good) {
			t.Fatalf("opened %d bytes: %v", len(body), err)
		}
		_, _ = Recover(data, recovery)
	})
}
