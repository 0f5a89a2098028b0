package approvals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

const (
	// strikesFile is the name of the count in the folder of a scope.
	strikesFile = "strikes"
	// maxStrikesBytes bounds it: an id, a serial and a number.
	maxStrikesBytes = 4 << 10
)

// strikes counts the runs under one approval that the guard has stopped.
type strikes struct {
	ApprovalID string `json:"approval_id"`
	Serial     uint64 `json:"serial"`
	Count      int    `json:"count"`
}

// Strike implements host.Suspender. The count is on disk when it returns nil,
// and goes on from what other processes have counted; that of another
// approval counts for nothing. A count that is there and cannot be read is taken
// to be full.
//
// serial is that of the tombstone for the one strike that takes the approval
// back, else 0. The tombstone is in force then; that the vault could not be told
// of it is no error here, as [Store.Standing] tells it again.
func (s *Store) Strike(ctx context.Context, scope capabilities.Scope) (serial uint64, err error) {
	serial, err = s.strike(ctx, scope)
	if err != nil {
		return 0, fmt.Errorf("strike: %w", err)
	}
	if serial == 0 {
		return 0, nil
	}
	limited, cancel := context.WithTimeout(ctx, raiseWait)
	defer cancel()
	_ = s.raise(limited, scope, serial)
	return serial, nil
}

// strike counts, and takes the approval back when that is enough: serial is
// then the tombstone's, else 0. Count and tombstone are written under one
// lock, so that no approval given in between is taken back for an older one's
// strikes; where a crash parts them, the next strike takes it back.
func (s *Store) strike(ctx context.Context, scope capabilities.Scope) (serial uint64, err error) {
	unlock, err := s.dir.Lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	standing, err := s.read(ctx, scope)
	if err != nil || !standing.InForce() {
		return 0, err // it is not in force: nothing to count against
	}
	now := strikes{ApprovalID: standing.Approval.ApprovalID, Serial: standing.Approval.Serial}
	now.Count = min(s.struck(scope, now), host.MaxStrikes) + 1
	if err = s.keepStrikes(scope, now); now.Count < host.MaxStrikes {
		return 0, err
	}
	// Enough: a count that could not be kept holds up no revocation.
	_, serial, buryErr := s.buryLocked(ctx, scope, now.Count)
	if buryErr != nil {
		return 0, errors.Join(err, buryErr)
	}
	return serial, nil
}

// struck reads how often the approval that of names was struck before.
func (s *Store) struck(scope capabilities.Scope, of strikes) int {
	raw, err := s.dir.ReadFile(path.Join(folder(scope), strikesFile), maxStrikesBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	before, readErr := readStrikes(raw)
	switch {
	case err != nil, readErr != nil:
		return host.MaxStrikes
	case before.ApprovalID != of.ApprovalID || before.Serial != of.Serial:
		return 0
	}
	return before.Count
}

// readStrikes reads a count, strictly.
func readStrikes(raw []byte) (strikes, error) {
	var before strikes
	v, err := strictjson.Parse(raw, strictjson.Limits{MaxBytes: maxStrikesBytes, MaxDepth: 1})
	if err != nil {
		return before, err
	}
	members, ok := v.(map[string]any)
	if !ok || len(members) != 3 {
		return before, errors.New("not the members of a count")
	}
	for _, name := range []string{"approval_id", "serial", "count"} {
		if members[name] == nil {
			return before, fmt.Errorf("no %s", name)
		}
	}
	if err := json.Unmarshal(raw, &before); err != nil {
		return before, err
	}
	if before.Count < 0 {
		return before, errors.New("a count below 0")
	}
	return before, nil
}

func (s *Store) keepStrikes(scope capabilities.Scope, now strikes) error {
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return s.dir.WriteFile(path.Join(folder(scope), strikesFile), append(text, '\n'))
}
