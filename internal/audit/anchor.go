package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// MarkName is the mark that keeps the [Anchor] of a log, and of the logs that
// follow a [Log.Rotate] with their number behind it; epochName counts those.
const (
	MarkName  = "audit"
	epochName = "audit-epoch"
)

// anchorName returns the name of the mark of the log that is written now.
func anchorName(ctx context.Context, marks vaultstore.Marks, owner string) (string, error) {
	epoch, err := marks.Mark(ctx, owner, epochName)
	if err != nil || epoch == 0 {
		return MarkName, err
	}
	return fmt.Sprintf("%s-%d", MarkName, epoch), nil
}

// AnchorIn returns the anchor that marks keep of the log that is written now.
func AnchorIn(ctx context.Context, marks vaultstore.Marks, owner string) (Anchor, error) {
	name, err := anchorName(ctx, marks, owner)
	if err != nil {
		return Anchor{}, err
	}
	mark, err := marks.Mark(ctx, owner, name)
	return AnchorOf(mark), err
}

// Rotate moves the log aside, as evidence or because it has grown, and begins
// another with an anchor of its own. It returns the name of the old file in
// the same folder, "" when there was none. What was wrong with it stays to be
// seen there; the caller says in the new log's first line that it rotated.
func (l *Log) Rotate(ctx context.Context, marks vaultstore.Marks, owner string, now time.Time) (kept string, err error) {
	unlock, err := l.dir.Lock(ctx)
	if err != nil {
		return "", fmt.Errorf("audit log: %w", err)
	}
	defer unlock()
	epoch, err := marks.Mark(ctx, owner, epochName)
	if err != nil {
		return "", fmt.Errorf("audit log: anchor: %w", err)
	}
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	kept = "audit-" + now.UTC().Format("20060102T150405.000000000Z") + ".jsonl"
	switch err := l.dir.Rename(fileName, kept); {
	case errors.Is(err, fs.ErrNotExist):
		kept = ""
	case err != nil:
		return "", fmt.Errorf("audit log: it could not be moved aside: %w", err)
	}
	l.seq = 0
	if err := marks.RaiseMark(ctx, owner, epochName, epoch+1); err != nil {
		return kept, fmt.Errorf("audit log: anchor: %w", err)
	}
	return kept, nil
}

// Anchor remembers a line of a log: its number, and enough of its MAC to tell
// it from another. The zero Anchor remembers nothing.
type Anchor struct {
	Seq uint64
	MAC uint16 // the first two bytes
}

const anchorBits = 16

// Mark packs a into one number that grows with the log, as marks must.
func (a Anchor) Mark() uint64 { return a.Seq<<anchorBits | uint64(a.MAC) }

// AnchorOf unpacks a mark.
func AnchorOf(mark uint64) Anchor { return Anchor{Seq: mark >> anchorBits, MAC: uint16(mark)} }

func anchorAt(seq uint64, mac string) Anchor {
	first, err := hex.DecodeString(mac[:4])
	if err != nil {
		return Anchor{}
	}
	return Anchor{Seq: seq, MAC: uint16(first[0])<<8 | uint16(first[1])}
}

// Anchored reports whether the line that marks remember is still in the log:
// nil when it is, or none is remembered, and an error that wraps [ErrTampered]
// when the log was cut, exchanged or rewritten before it. Ask it before the
// first Append of a process: what is added to such a log, and anchored, would
// cover up what is missing.
func (l *Log) Anchored(ctx context.Context, marks vaultstore.Marks, owner string) error {
	unlock, err := l.dir.Lock(ctx)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	defer unlock()
	at, err := l.end()
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return l.anchored(ctx, at, marks, owner)
}

func (l *Log) anchored(ctx context.Context, at tail, marks vaultstore.Marks, owner string) error {
	anchor, err := AnchorIn(ctx, marks, owner)
	if err != nil {
		return fmt.Errorf("audit log: anchor: %w", err)
	}
	gone := func(what string) error {
		return fmt.Errorf("audit log: %w: line %d was written to %s and %s; see what is left: sallyport audit verify; to go on, keeping it aside: sallyport audit rotate",
			ErrTampered, anchor.Seq, l.Path(), what)
	}
	switch {
	case anchor.Seq == 0:
		return nil
	case at.seq < anchor.Seq:
		return gone("is not there any more")
	}
	mac, err := l.macOf(at, anchor.Seq)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if anchorAt(anchor.Seq, mac) != anchor {
		return gone("is another one now")
	}
	return nil
}

// macOf returns the MAC of an earlier line, going back from the end by the
// chain: each line on the way is sealed and follows the one before it.
func (l *Log) macOf(at tail, seq uint64) (string, error) {
	end := at.size
	if !at.open {
		end--
	}
	mac, number := at.mac, at.seq
	for number > seq {
		line, err := l.lineBefore(end)
		if err != nil {
			return "", err
		}
		r, own, ok := l.seal.open(line)
		if !ok || r.Seq != number || own != mac {
			// A line that was torn and sealed off stands between: it has no
			// number, and the one after it follows the one before.
			if end -= int64(len(line)) + 1; end <= 0 {
				return "", fmt.Errorf("%w: line %d of %s is not there", ErrTampered, number, l.Path())
			}
			continue
		}
		mac, number = r.Prev, number-1
		if end -= int64(len(line)) + 1; end < 0 && number > seq {
			return "", fmt.Errorf("%w: line %d of %s is not there", ErrTampered, number, l.Path())
		}
	}
	return mac, nil
}

// Anchor keeps the log's last line in marks, so that [VerifyAnchored] notices
// when it is cut off. The line that they remember must still be there. It
// costs a write to the vault: call it at the end of a command or a run, not
// for each event.
func (l *Log) Anchor(ctx context.Context, marks vaultstore.Marks, owner string) error {
	unlock, err := l.dir.Lock(ctx)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	defer unlock()
	at, err := l.end()
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if err := l.anchored(ctx, at, marks, owner); err != nil {
		return err
	}
	if at.seq == 0 {
		return nil
	}
	name, err := anchorName(ctx, marks, owner)
	if err != nil {
		return fmt.Errorf("audit log: anchor: %w", err)
	}
	if err := marks.RaiseMark(ctx, owner, name, anchorAt(at.seq, at.mac).Mark()); err != nil {
		return fmt.Errorf("audit log: anchor: %w", err)
	}
	return nil
}
