package agefile

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// index is what one owner's tree of one class says of its files. It is never
// changed once it stands: a write makes a new one.
type index struct {
	owner   string
	class   abi.Class
	epoch   uint64 // counts the index's own writes, from 1
	records map[vaultstore.Address]record
}

// record is what an index knows of an address. The zero record is of one that
// was never written.
type record struct {
	generation uint64
	state      state
	digest     [sha256.Size]byte // of the file as it stands on disk
	expires    time.Time         // of the current stage; zero when it does not
}

func newIndex(owner string, class abi.Class, epoch uint64) *index {
	return &index{owner: owner, class: class, epoch: epoch, records: make(map[vaultstore.Address]record)}
}

// with returns the index that follows ix, in which a has record r.
func (ix *index) with(a vaultstore.Address, r record) *index {
	next := newIndex(ix.owner, ix.class, ix.epoch+1)
	maps.Copy(next.records, ix.records)
	next.records[a] = r
	return next
}

// addresses lists what ix knows of, ordered.
func (ix *index) addresses() []vaultstore.Address {
	return slices.SortedFunc(maps.Keys(ix.records), vaultstore.Address.Compare)
}

// indexBody is the body of an index's file.
type indexBody struct {
	Format  int           `json:"fmt"`
	StoreID string        `json:"store_id"`
	Owner   string        `json:"owner"`
	Class   string        `json:"class"`
	Epoch   uint64        `json:"epoch"`
	Entries []indexRecord `json:"entries"` // ordered by address
}

type indexRecord struct {
	Connector  string    `json:"connector"`
	Instance   string    `json:"instance"`
	Grant      string    `json:"grant"`
	Name       string    `json:"name"`
	Generation uint64    `json:"generation"`
	State      state     `json:"state"`
	Digest     []byte    `json:"sha256"` // base64
	Expires    time.Time `json:"expires_at,omitzero"`
}

func encodeIndex(storeID string, ix *index) ([]byte, error) {
	v := indexBody{
		Format: formatVersion, StoreID: storeID, Owner: ix.owner, Class: string(ix.class), Epoch: ix.epoch,
		Entries: make([]indexRecord, 0, len(ix.records)),
	}
	for _, a := range ix.addresses() {
		r := ix.records[a]
		v.Entries = append(v.Entries, indexRecord{
			Connector: a.Connector, Instance: a.Instance, Grant: a.Grant, Name: a.Name,
			Generation: r.generation, State: r.state, Digest: r.digest[:], Expires: r.expires,
		})
	}
	return json.Marshal(&v)
}

// decodeIndex reads a body whose seal has been checked.
func decodeIndex(body []byte) (storeID string, ix *index, err error) {
	var v indexBody
	if err := decodeStrict(body, &v); err != nil {
		return "", nil, err
	}
	if v.Format != formatVersion {
		return "", nil, malformed("format version")
	}
	ix = newIndex(v.Owner, abi.Class(v.Class), v.Epoch)
	var last vaultstore.Address
	for _, e := range v.Entries {
		a := vaultstore.Address{Owner: v.Owner, Connector: e.Connector, Instance: e.Instance, Grant: e.Grant, Name: e.Name}
		if last.Compare(a) >= 0 {
			return "", nil, malformed("order")
		}
		if e.Generation == 0 || len(e.Digest) != sha256.Size || !e.State.written() {
			return "", nil, malformed("entry")
		}
		r := record{generation: e.Generation, state: e.State, expires: e.Expires}
		copy(r.digest[:], e.Digest)
		ix.records[a], last = r, a
	}
	return v.StoreID, ix, nil
}

func (s state) written() bool {
	return s == stateLive || s == stateDeleted || s == stateMoved
}
