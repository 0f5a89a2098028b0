package audit

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/host"
)

// record is a line without its seal.
type record struct {
	Seq   uint64      `json:"seq"`
	Prev  string      `json:"prev"` // the MAC of the line before; zeros for the first
	Event *host.Event `json:"event,omitempty"`
	Torn  *Tear       `json:"torn,omitempty"`
}

// Tear tells of bytes that a crash left where a line should be.
type Tear struct {
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"` // lower-case hex
	At     time.Time `json:"at"`     // when it was noticed
}

const (
	macBytes = 32
	// A line ends in macPrefix, the MAC in hex and macSuffix.
	macPrefix = `,"mac":"`
	macSuffix = `"}`
	macTail   = len(macPrefix) + 2*macBytes + len(macSuffix)
)

// genesis stands where the MAC of the line before the first would.
var genesis = strings.Repeat("0", 2*macBytes)

// line appends to text the line that follows at, and moves at to it.
func (s *seal) line(text []byte, at *tail, r record) ([]byte, error) {
	r.Seq, r.Prev = at.seq+1, at.mac
	if at.seq == 0 {
		r.Prev = genesis
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("}\n"))
	mac := hex.EncodeToString(s.sum(body))
	if len(body)+macTail >= MaxLineBytes {
		return nil, errors.New("an event is too large")
	}
	text = append(text, body...)
	text = append(append(append(text, macPrefix...), mac...), macSuffix+"\n"...)
	at.seq, at.mac = r.Seq, mac
	return text, nil
}

// open checks the seal of a line (without its newline) and reads it.
func (s *seal) open(line []byte) (r record, mac string, ok bool) {
	body, mac, ok := split(line)
	if !ok {
		return record{}, "", false
	}
	have, err := hex.DecodeString(mac)
	if err != nil || mac != strings.ToLower(mac) || !hmac.Equal(have, s.sum(body)) {
		return record{}, "", false
	}
	r, ok = parse(line)
	return r, mac, ok
}

// split takes a line apart into what is sealed and the seal.
func split(line []byte) (body []byte, mac string, ok bool) {
	if len(line) < macTail {
		return nil, "", false
	}
	body, end := line[:len(line)-macTail], line[len(line)-macTail:]
	if !bytes.HasPrefix(end, []byte(macPrefix)) || !bytes.HasSuffix(end, []byte(macSuffix)) {
		return nil, "", false
	}
	return body, string(end[len(macPrefix) : len(end)-len(macSuffix)]), true
}

// parse reads a line, whoever sealed it. Members that a later version adds to
// an event are left out.
func parse(line []byte) (r record, ok bool) {
	if err := json.Unmarshal(line, &r); err != nil {
		return record{}, false
	}
	return r, (r.Event == nil) != (r.Torn == nil)
}

// follows says why r cannot stand after the line where at ends, "" when it
// can.
func (r record) follows(at tail) string {
	prev := at.mac
	if at.seq == 0 {
		prev = genesis
	}
	switch next := at.seq + 1; {
	case r.Seq > next:
		return fmt.Sprintf("has number %d, but %d is next: lines before it are missing", r.Seq, next)
	case r.Seq < next:
		return fmt.Sprintf("has number %d, but %d is next: it is out of order, or stands there twice", r.Seq, next)
	case r.Prev != prev:
		return "does not follow the line before it"
	}
	return ""
}
