package abi

import "strconv"

// Status is a refusal or failure as a guest sees it: a code with no detail.
// The owner gets the detail, in the run's result and the audit log; a guest
// that could read it would have an oracle.
type Status int64

// The statuses. A value keeps its meaning for ever.
const (
	StatusOK          Status = 0
	StatusDenied      Status = -1  // not declared, not approved, or not here: the guest is not told which
	StatusNotFound    Status = -2  // a declared and approved credential has no stored value; an unknown handle or ticket
	StatusInvalid     Status = -3  // a malformed argument, or a pointer outside the guest's memory
	StatusExpired     Status = -4  // the credential or the approval is past its time
	StatusRevoked     Status = -5  // the owner took the approval back
	StatusTimeout     Status = -6  // a stated time ran out
	StatusUnavailable Status = -7  // the source, the vault or the audit log could not be reached
	StatusTooLarge    Status = -8  // past a bound of bounds.go
	StatusCancelled   Status = -9  // the run is being stopped
	StatusLeakBlocked Status = -10 // a surrogate or a secret where it may not be
	StatusRateLimited Status = -11 // past a rate
	StatusExhausted   Status = -12 // past a limit of the run: handles, requests, records, bytes
	StatusAgain       Status = -13 // nothing there now: wait for the handle
	StatusRejected    Status = -14 // the source refused the credential; the owner has to renew it
)

var statusText = [...]struct{ name, text string }{
	{"ok", "ok"},
	{"denied", "denied"},
	{"not_found", "not found"},
	{"invalid", "invalid argument"},
	{"expired", "expired"},
	{"revoked", "revoked"},
	{"timeout", "timed out"},
	{"unavailable", "unavailable"},
	{"too_large", "too large"},
	{"cancelled", "cancelled"},
	{"leak_blocked", "blocked: a credential would have leaked"},
	{"rate_limited", "rate limited"},
	{"exhausted", "limit reached"},
	{"again", "not ready"},
	{"rejected", "rejected by the source"},
}

func (s Status) known() bool { return s <= 0 && s > -Status(len(statusText)) }

// String returns the status's name as used in JSON: "denied", "not_found".
func (s Status) String() string {
	if !s.known() {
		return "status(" + strconv.FormatInt(int64(s), 10) + ")"
	}
	return statusText[-s].name
}

// Text returns the one generic message that a guest may read for s.
func (s Status) Text() string {
	if !s.known() {
		return s.String()
	}
	return statusText[-s].text
}

// Statuses lists every status but [StatusOK], in order of their codes.
func Statuses() []Status {
	all := make([]Status, 0, len(statusText)-1)
	for i := 1; i < len(statusText); i++ {
		all = append(all, Status(-i))
	}
	return all
}
