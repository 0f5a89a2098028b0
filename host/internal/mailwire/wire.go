package mailwire

import (
	"bytes"

	"github.com/sallyport-host/sallyport/abi"
)

// wire is what both protocols share: the bytes on their way and the hooks.
type wire struct {
	Hooks
	protocol      Protocol
	guest, server input
	toServer      sink
	toGuest       sink
	authenticated bool // the server said yes, or needs no login
	given         bool // a value has gone out on this stream
	logins        int  // in how many authentications
}

// refuse makes the error for what the guest did in a command, "" for none.
func (w *wire) refuse(command, reason, remedy string) error {
	where := w.protocol.String()
	if command != "" {
		where += " " + command
	}
	return w.Refused(&Refusal{Where: where, Reason: reason, Remedy: remedy})
}

func (w *wire) guarded() bool { return w.given || w.Guarded() }

// scrubbed sends the guest a line with echoes replaced.
func (w *wire) scrubbed(line []byte) (err error) {
	w.toGuest.b, err = w.Scrub(w.toGuest.b, line)
	return err
}

// checkLine refuses what another reader could take for more than one line, and
// values.
func (w *wire) checkLine(line []byte) error {
	if bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return w.refuse("", "a line holds a bare CR or a NUL", "end lines with CR LF, and send such text as a literal")
	}
	return w.CheckOut(line)
}

// find returns the index of the first live surrogate in text, or -1. Every
// place is tried: a token may overlap a decoy.
func (w *wire) find(text []byte) int {
	for from := 0; ; from++ {
		i := bytes.Index(text[from:], []byte(abi.SurrogatePrefix))
		if i < 0 || from+i+abi.SurrogateLen > len(text) {
			return -1
		}
		from += i
		if token := text[from : from+abi.SurrogateLen]; abi.IsSurrogate(token) && w.Live(string(token)) {
			return from
		}
	}
}

func (w *wire) holdsSurrogate(text []byte) bool { return w.find(text) >= 0 }

// input is bytes that came and are not yet understood.
type input struct {
	buf     []byte
	off     int // of what is still there
	scanned int // from off, without a line's end
}

func (in *input) len() int     { return len(in.buf) - in.off }
func (in *input) rest() []byte { return in.buf[in.off:] }

func (in *input) add(p []byte) {
	in.makeRoom(len(p))
	in.buf = append(in.buf, p...)
}

// upTo returns what is there of the next n bytes.
func (in *input) upTo(n int64) []byte { return in.rest()[:min(int64(in.len()), n)] }

// makeRoom moves what is there to the front, or to a larger array, and leaves
// no copy of it behind.
func (in *input) makeRoom(n int) {
	if len(in.buf)+n <= cap(in.buf) {
		return
	}
	old := in.buf
	if have := in.len(); have+n <= cap(old)/2 {
		copy(old, in.rest())
		clear(old[have:])
		in.buf = old[:have]
	} else {
		in.buf = append(make([]byte, 0, 2*(have+n)), in.rest()...)
		clear(old)
	}
	in.off = 0
}

// drop wipes the first n bytes.
func (in *input) drop(n int) {
	clear(in.buf[in.off : in.off+n])
	in.off += n
	in.scanned = 0
	if in.off == len(in.buf) {
		in.off = 0
		if in.buf = in.buf[:0]; cap(in.buf) > windowSize {
			in.buf = nil
		}
	}
}

// line returns the next line without its end, and its size with it: 0 when
// there is none yet, and -1 when it is longer than most. The line is valid
// until the next add or drop.
func (in *input) line(most int) (line []byte, size int) {
	text := in.rest()
	i := bytes.IndexByte(text[in.scanned:], '\n')
	if i < 0 {
		in.scanned = len(text)
		if len(text) >= most {
			return nil, -1
		}
		return nil, 0
	}
	end := in.scanned + i
	in.scanned = end
	if end >= most {
		return nil, -1
	}
	return bytes.TrimSuffix(text[:end], []byte{'\r'}), end + 1
}

// sink is bytes on their way out. Its array is wiped when it is reused and
// when it grows.
type sink struct{ b []byte }

func (o *sink) reset() {
	clear(o.b)
	if o.b = o.b[:0]; cap(o.b) > windowSize {
		o.b = nil
	}
}

func (o *sink) put(parts ...[]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if len(o.b)+n > cap(o.b) {
		old := o.b
		o.b = append(make([]byte, 0, 2*(len(old)+n)), old...)
		clear(old)
	}
	for _, p := range parts {
		o.b = append(o.b, p...)
	}
}

func (o *sink) putString(s string) { o.put([]byte(s)) }

var crlf = []byte("\r\n")

// window searches a text of any length in pieces that overlap, and holds back
// what could be the beginning of a find. Where it is cut depends on the text's
// length alone, not on how it came.
type window struct {
	held  []byte
	check func(text []byte) error
}

// next appends to o what may pass on.
func (w *window) next(o *sink, chunk []byte) error {
	for len(chunk) > 0 {
		n := min(len(chunk), windowSize-len(w.held))
		w.held = append(w.held, chunk[:n]...)
		chunk = chunk[n:]
		if len(w.held) < windowSize {
			return nil
		}
		if err := w.check(w.held); err != nil {
			return err
		}
		o.put(w.held[:windowSize-Overlap])
		w.held = append(w.held[:0], w.held[windowSize-Overlap:]...)
	}
	return nil
}

// end appends the rest.
func (w *window) end(o *sink) error {
	if err := w.check(w.held); err != nil {
		return err
	}
	o.put(w.held)
	clear(w.held[:cap(w.held)])
	w.held = nil
	return nil
}
