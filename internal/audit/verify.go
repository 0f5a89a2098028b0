package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// Report is what [Verify] found.
type Report struct {
	Lines  int64      `json:"lines"`           // that were read, bad and torn ones too
	Events int64      `json:"events"`          // that are as they were written
	Last   uint64     `json:"last"`            // the number of the last good line
	Torn   []TornLine `json:"torn,omitempty"`  // sealed off by the next writer
	Tail   int64      `json:"tail,omitempty"`  // bytes of a torn line that nobody has sealed off yet
	Fault  *Fault     `json:"fault,omitempty"` // the first; what follows it was not looked at
}

// TornLine is a line that a crash tore.
type TornLine struct {
	Line int64 `json:"line"` // from 1
	Tear
}

// String says it in words.
func (t TornLine) String() string {
	return fmt.Sprintf("line %d was torn by a crash: %d bytes of no event, noticed at %s", t.Line, t.Bytes, t.At.UTC().Format(time.RFC3339))
}

// Fault is a line that is not as it was written.
type Fault struct {
	Line   int64  `json:"line"` // from 1
	Reason string `json:"reason"`
}

// Error makes a Fault the error of its log; it wraps [ErrTampered].
func (f *Fault) Error() string { return fmt.Sprintf("%v: line %d %s", ErrTampered, f.Line, f.Reason) }

// Unwrap returns [ErrTampered].
func (f *Fault) Unwrap() error { return ErrTampered }

// Verify reads a log to its end, or to the first line that is not as it was
// written with key. The error is the reader's: what is wrong with the log is
// in the report.
func Verify(r io.Reader, key []byte) (Report, error) { return VerifyAnchored(r, key, Anchor{}) }

// VerifyAnchored is [Verify], and holds the log against an anchor too: the
// line that it remembers must be there.
func VerifyAnchored(r io.Reader, key []byte, anchor Anchor) (Report, error) {
	v := verifier{seal: newSeal(key), lines: newLines(r), anchor: anchor}
	for v.report.Fault == nil {
		line, err := v.lines.next()
		if errors.Is(err, io.EOF) {
			v.end()
			return v.report, nil
		}
		if err != nil {
			return v.report, fmt.Errorf("audit log: line %d: %w", v.report.Lines+1, err)
		}
		v.line(line)
	}
	return v.report, nil
}

type verifier struct {
	seal   *seal
	lines  *lines
	anchor Anchor
	at     tail
	torn   *rawLine // a line that only the next one can excuse
	report Report
}

func (v *verifier) fault(line int64, format string, args ...any) {
	if v.report.Fault == nil {
		v.report.Fault = &Fault{Line: line, Reason: fmt.Sprintf(format, args...)}
	}
}

const changed = "was changed, or written with another key"

func (v *verifier) line(line rawLine) {
	v.report.Lines++
	r, mac, ok := v.seal.open(line.data)
	if v.torn != nil {
		if !ok || !r.seals(v.torn) {
			v.fault(v.torn.number, changed)
			return
		}
		v.report.Torn = append(v.report.Torn, TornLine{Line: v.torn.number, Tear: *r.Torn})
		v.torn = nil
	} else if !ok {
		if line.ended {
			v.torn = &line
		} else {
			v.report.Tail = line.size
		}
		return
	} else if r.Torn != nil {
		v.fault(line.number, "tells of a torn line that is not there")
		return
	}
	v.good(line, r, mac)
}

// good takes a line whose seal is right, if it is in its place.
func (v *verifier) good(line rawLine, r record, mac string) {
	switch why := r.follows(v.at); {
	case why != "":
		v.fault(line.number, "%s", why)
		return
	case v.anchor.Seq == r.Seq && v.anchor != anchorAt(r.Seq, mac):
		v.fault(line.number, "is not the one that was last seen there")
		return
	}
	v.at.seq, v.at.mac, v.report.Last = r.Seq, mac, r.Seq
	if r.Event != nil {
		v.report.Events++
	}
}

func (v *verifier) end() {
	if v.torn != nil {
		v.fault(v.torn.number, changed)
	}
	if v.anchor.Seq > v.at.seq {
		v.fault(v.report.Lines+1, "is missing: number %d was seen there, and the log ends at %d", v.anchor.Seq, v.at.seq)
	}
}

// seals reports whether r was written to seal off line.
func (r record) seals(line *rawLine) bool {
	return r.Torn != nil && r.Torn.Bytes == line.size && r.Torn.SHA256 == line.sum()
}

// rawLine is a line as it stands, without its newline.
type rawLine struct {
	number int64
	data   []byte // at most MaxLineBytes of it
	size   int64  // all of it
	ended  bool   // by a newline
	hash   hash.Hash
}

// sum is the SHA-256 of all of it.
func (l *rawLine) sum() string {
	if l.hash == nil {
		sum := sha256.Sum256(l.data)
		return hex.EncodeToString(sum[:])
	}
	return hex.EncodeToString(l.hash.Sum(nil))
}

// lines reads lines of any length in bounded memory.
type lines struct {
	in     *bufio.Reader
	number int64
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, MaxLineBytes)} }

func (l *lines) next() (rawLine, error) {
	l.number++
	line := rawLine{number: l.number}
	for {
		part, err := l.in.ReadSlice('\n')
		if err == nil {
			part = part[:len(part)-1]
			line.ended = true
		}
		line.add(part)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF) && line.size > 0:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

func (l *rawLine) add(part []byte) {
	l.size += int64(len(part))
	switch {
	case l.hash == nil && l.size <= MaxLineBytes:
		l.data = append(l.data, part...)
		return
	case l.hash == nil:
		l.hash = sha256.New()
		_, _ = l.hash.Write(l.data)
	}
	_, _ = l.hash.Write(part)
}
