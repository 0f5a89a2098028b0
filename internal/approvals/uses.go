package approvals

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// ErrNotInForce: there is no approval under which a use could be made.
var ErrNotInForce = errors.New("no approval is in force")

// Spend implements host.Spender. The vault's mark is raised first, and from
// then on the use is spent, whether or not its envelope gets to the folder: a
// process that dies between the two, or between Spend and the run, has spent
// it. An error that wraps [ErrMark] says that the vault could not be asked or
// told; asking again tells whether it was.
func (s *Store) Spend(ctx context.Context, scope capabilities.Scope, runID string) (capabilities.Use, error) {
	u, err := s.spend(ctx, scope, runID)
	if err != nil {
		return capabilities.Use{}, fmt.Errorf("spend: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, raiseWait)
	defer cancel()
	_ = s.raise(limited, scope, u.Serial) // where it fails, Standing tells the vault again
	return u, nil
}

func (s *Store) spend(ctx context.Context, scope capabilities.Scope, runID string) (u capabilities.Use, err error) {
	unlock, err := s.dir.Lock(ctx)
	if err != nil {
		return u, err
	}
	defer unlock()
	defer s.notify(scope)
	standing, err := s.read(ctx, scope)
	if err != nil {
		return u, err
	}
	limited, cancel := context.WithTimeout(ctx, raiseWait)
	defer cancel()
	spent, err := s.marks.Mark(limited, scope.Owner, useMark(scope))
	switch {
	case err != nil:
		return u, fmt.Errorf("%w: %w", ErrMark, err)
	case spent > 0 || standing.Used != nil:
		return u, fmt.Errorf("%s: %w", scope.Connector, host.ErrSpent)
	case !standing.InForce():
		return u, fmt.Errorf("%s: %w", scope.Connector, ErrNotInForce)
	}
	u = capabilities.Use{RunID: runID, Scope: scope, Serial: standing.HighWater + 1, At: s.now().UTC().Round(0)}
	envelope, err := capabilities.SignUse(s.key, u)
	if err != nil {
		return u, err
	}
	staged, err := s.stage(scope, kindUse, runID, u.Serial, envelope)
	if err != nil {
		return u, err
	}
	defer staged.Discard()
	if err := s.marks.RaiseMark(limited, scope.Owner, useMark(scope), u.Serial); err != nil {
		return u, fmt.Errorf("%w: %w", ErrMark, err)
	}
	return u, staged.Commit()
}
