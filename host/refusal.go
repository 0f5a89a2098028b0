package host

// Error is one line: the thing, the reason, the remedy.
func (r *Refusal) Error() string {
	s := r.Thing + " refused: " + r.Reason
	if r.Remedy != "" {
		s += "; " + r.Remedy
	}
	return s
}

// Is makes errors.Is(err, ErrRefused) true, or ErrNeedsOwner when it is the
// owner who can allow it.
func (r *Refusal) Is(target error) bool {
	if r.NeedsOwner {
		return target == ErrNeedsOwner
	}
	return target == ErrRefused
}
