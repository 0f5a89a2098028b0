package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// end opens the log when that is to be done, and finds out where it ends. The
// lock is held.
func (l *Log) end() (tail, error) {
	if err := l.reopen(); err != nil {
		return tail{}, err
	}
	info, err := l.file.Stat()
	if err != nil {
		return tail{}, err
	}
	at, err := l.lastLine(info.Size())
	if err != nil {
		return tail{}, err
	}
	if at.seq < l.seq {
		return tail{}, fmt.Errorf("%w: %s ends at number %d, but %d was written; it was cut or exchanged",
			ErrTampered, l.Path(), at.seq, l.seq)
	}
	return at, nil
}

// reopen opens the file at the log's path when it is not the one that is open.
func (l *Log) reopen() error {
	if l.file != nil {
		have, err := l.file.Stat()
		if err != nil {
			return err
		}
		if there, err := os.Lstat(l.Path()); err == nil && os.SameFile(have, there) {
			return nil
		}
		_ = l.file.Close()
		l.file = nil
	}
	f, err := l.open()
	if err != nil {
		return err
	}
	l.file = f
	return nil
}

// lastLine reads the last whole line of a file of that size, and how much
// follows it.
func (l *Log) lastLine(size int64) (tail, error) {
	end, err := lastNewline(l.file, size)
	if err != nil {
		return tail{}, err
	}
	at := tail{size: end, torn: size - end}
	if end > 0 {
		line, err := l.lineBefore(end - 1)
		if err != nil {
			return tail{}, err
		}
		r, mac, ok := l.seal.open(line)
		if !ok {
			return tail{}, fmt.Errorf("%w: the last line of %s was changed, or written with another key; "+
				"see what: sallyport audit verify; to go on, keeping it aside: sallyport audit rotate", ErrTampered, l.Path())
		}
		at.seq, at.mac = r.Seq, mac
	}
	if at.torn == 0 || at.torn > MaxLineBytes {
		return at, nil
	}
	line, err := l.lineBefore(size)
	if err != nil {
		return tail{}, err
	}
	if r, mac, ok := l.seal.open(line); ok && r.follows(at) == "" {
		at = tail{size: size, seq: r.Seq, mac: mac, open: true}
	}
	return at, nil
}

// step is how much is read at first where a line is looked for: more than
// almost every line has.
const step = 4 << 10

// lineBefore returns the line that ends at offset end.
func (l *Log) lineBefore(end int64) ([]byte, error) {
	for most := int64(step); ; most = MaxLineBytes {
		begin := max(0, end-most)
		line := make([]byte, end-begin)
		if _, err := l.file.ReadAt(line, begin); err != nil {
			return nil, err
		}
		if i := bytes.LastIndexByte(line, '\n'); i >= 0 || begin == 0 || most == MaxLineBytes {
			return line[i+1:], nil
		}
	}
}

// lastNewline returns the offset after the last newline, 0 when there is none.
func lastNewline(f io.ReaderAt, size int64) (int64, error) {
	chunk := make([]byte, step)
	for end := size; end > 0; {
		begin := max(0, end-int64(len(chunk)))
		part := chunk[:end-begin]
		if _, err := f.ReadAt(part, begin); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return begin + int64(i) + 1, nil
		}
		end = begin
	}
	return 0, nil
}

// tear describes what follows the last whole line.
func (l *Log) tear(at tail) (Tear, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(l.file, at.size, at.torn)); err != nil {
		return Tear{}, err
	}
	return Tear{Bytes: at.torn, SHA256: hex.EncodeToString(h.Sum(nil)), At: time.Now().UTC().Round(0)}, nil
}

// Snapshot opens the log to read what is in it now: no line that is being
// written is seen in part. A log that nobody has written to is empty.
func (l *Log) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	unlock, err := l.dir.Lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer unlock()
	f, err := l.dir.OpenAppend(fileName)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("audit log: %w", err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, 0, info.Size()), f}, nil
}
