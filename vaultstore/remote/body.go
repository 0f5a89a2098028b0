package remote

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// A body is the length of its head (4 bytes, big-endian), the head, which is
// JSON, and then the values of the stages, in the head's order and as they
// are: base64 would cost a third of a provider's bound. Zeros fill it up.
type head struct {
	Owner      string    `json:"owner"`
	Connector  string    `json:"connector"`
	Instance   string    `json:"instance"`
	Grant      string    `json:"grant"`
	Name       string    `json:"name"`
	Class      abi.Class `json:"class"`
	Generation uint64    `json:"generation"`
	Stages     []stage   `json:"stages"` // none: it was deleted
}

type stage struct {
	Stage  vaultstore.Stage `json:"stage"`
	Length int              `json:"length"`
	vaultstore.Version
}

var stageOrder = [...]vaultstore.Stage{vaultstore.Current, vaultstore.Previous, vaultstore.Pending}

var errMalformed = errors.New("malformed")

func encode(e vaultstore.Entry) ([]byte, error) {
	h := head{
		Owner: e.Address.Owner, Connector: e.Address.Connector, Instance: e.Address.Instance,
		Grant: e.Address.Grant, Name: e.Address.Name,
		Class: e.Class, Generation: e.Generation, Stages: []stage{},
	}
	size := 0
	for _, name := range stageOrder {
		if v, ok := e.Stages[name]; ok {
			h.Stages = append(h.Stages, stage{Stage: name, Length: v.Value.Len(), Version: v})
			size += v.Value.Len()
		}
	}
	text, err := json.Marshal(&h)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, 4+len(text)+size) // holds values: it must not move
	body = binary.BigEndian.AppendUint32(body, uint32(len(text)))
	body = append(body, text...)
	for _, s := range h.Stages {
		body = append(body, s.Value.Reveal()...)
	}
	return body, nil
}

// decode reads a body whose tag was checked, and still refuses what encode
// would not have written.
func decode(body []byte) (vaultstore.Entry, error) {
	if len(body) < 4 {
		return vaultstore.Entry{}, errMalformed
	}
	n, rest := uint64(binary.BigEndian.Uint32(body)), body[4:]
	if n > uint64(len(rest)) {
		return vaultstore.Entry{}, errMalformed
	}
	var h head
	dec := json.NewDecoder(bytes.NewReader(rest[:n]))
	dec.DisallowUnknownFields()
	if dec.Decode(&h) != nil {
		return vaultstore.Entry{}, errMalformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return vaultstore.Entry{}, errMalformed
	}
	return h.entry(rest[n:])
}

func (h *head) entry(values []byte) (vaultstore.Entry, error) {
	e := vaultstore.Entry{
		Address: vaultstore.Address{Owner: h.Owner, Connector: h.Connector, Instance: h.Instance, Grant: h.Grant, Name: h.Name},
		Class:   h.Class, Generation: h.Generation, Stages: make(map[vaultstore.Stage]vaultstore.Version),
	}
	for _, s := range h.Stages {
		_, twice := e.Stages[s.Stage]
		if twice || !s.Stage.Valid() || s.Length < 0 || s.Length > len(values) {
			e.Zero()
			return vaultstore.Entry{}, errMalformed
		}
		v := s.Version
		v.Value, values = vaultstore.NewSecret(values[:s.Length]), values[s.Length:]
		e.Stages[s.Stage] = v
	}
	if len(bytes.Trim(values, "\x00")) > 0 {
		e.Zero()
		return vaultstore.Entry{}, errMalformed
	}
	return e, nil
}
