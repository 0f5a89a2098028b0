package audit

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// MarkName is the mark that keeps the [Anchor] of a log.
const MarkName = "audit"

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

// Anchor keeps the log's last line in marks, so that [VerifyAnchored] notices
// when it is cut off. It costs a write to the vault: call it at the end of a
// command or a run, not for each event.
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
	if at.seq == 0 {
		return nil
	}
	if err := marks.RaiseMark(ctx, owner, MarkName, anchorAt(at.seq, at.mac).Mark()); err != nil {
		return fmt.Errorf("audit log: anchor: %w", err)
	}
	return nil
}
