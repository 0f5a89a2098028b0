package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
)

// lastWords is how long a run may take, once it has ended or was stopped, to
// write what it found out.
const lastWords = 5 * time.Second

// conclude says how the run ended: it commits the state of one that
// succeeded, settles the credentials, audits, and sorts the error.
func (r *run) conclude(err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r), lastWords)
	defer cancel()
	d, err := r.verdict(err)
	if d.Status == abi.Succeeded {
		if commitErr := r.commit(); commitErr != nil {
			d, err = r.verdict(commitErr)
		}
	}
	if errors.Is(context.Cause(r), errLeak) {
		r.strike(ctx)
	}
	r.storeTokens(ctx)
	rejected, settleErr := r.settle(ctx)
	r.keepSessions(ctx)
	slices.Sort(rejected)
	if len(rejected) > 0 && d.Status == abi.Failed {
		d, err = r.blameCredential(d, err, rejected)
	}
	r.mu.Lock()
	r.outcome.Done, r.outcome.Rejected = d, append(r.outcome.Rejected, rejected...)
	r.mu.Unlock()
	end := Event{Kind: EventRunEnded, Allowed: d.Status == abi.Succeeded, Rule: string(d.Status), Count: d.RecordsEmitted}
	if d.Error != nil {
		end.Reason = d.Error.Code
	}
	auditErr := errors.Join(r.flushAudit(ctx), r.ledger.write(ctx, end))
	if auditErr != nil {
		auditErr = fmt.Errorf("audit log: %w", auditErr)
	}
	if err == nil {
		return errors.Join(settleErr, auditErr)
	}
	if late := errors.Join(settleErr, auditErr); late != nil {
		r.host.logger.Error("the end of a run could not be written", "run", r.id, "err", late)
	}
	return err
}

// verdict sorts the ways in which a run ends: what the host knows goes before
// what the guest said.
func (r *run) verdict(err error) (abi.Done, error) {
	d := abi.Done{Type: abi.TypeDone, Status: abi.Failed, RecordsEmitted: r.count()}
	name := r.manifest.ConnectorKey
	cause := context.Cause(r)
	var refusal *Refusal
	var past *overrun
	switch {
	case errors.As(err, &refusal):
		d.Error = &abi.DoneError{Message: refusal.Error(), Code: abi.CodeCredentialDenied}
		if refusal.NeedsOwner {
			d.Error.RecoveryHint = hint(abi.RefreshCredentials)
		}
		if refusal.Rule == string(capabilities.RuleRejected) {
			d.Error.Code = abi.CodeCredentialRejected
		}
	case errors.Is(cause, errRevoked):
		d.Error = &abi.DoneError{Message: "the owner took the approval back", Code: abi.CodeRevoked, RecoveryHint: hint(abi.ManualActionRequired)}
		err = r.revoked(d.Error)
	case errors.Is(cause, errChanged):
		d.Error = &abi.DoneError{Message: "the owner approved something else while it ran", Retryable: true, Code: abi.CodeRevoked, RecoveryHint: hint(abi.RetryByRuntime)}
		err = &Refusal{Thing: name, Rule: "approval_changed", Reason: "what the owner approved is not what runs any more", Remedy: "run it again", NeedsOwner: true}
	case errors.Is(cause, errExpired):
		d.Error = &abi.DoneError{Message: "the approval ended", Code: abi.CodeRevoked, RecoveryHint: hint(abi.ManualActionRequired)}
		err = &Refusal{Thing: name, Rule: string(capabilities.RuleApprovalExpired), Reason: "the approval or the grant ended while it ran", Remedy: "run: " + capabilities.ApproveCommand(r.scope), NeedsOwner: true}
	case errors.Is(cause, errLeak):
		d.Error = &abi.DoneError{Message: "a secret turned up where none may be", Code: abi.CodeLeakBlocked, RecoveryHint: hint(abi.ManualActionRequired)}
		err = r.lastLeak()
	case errors.As(cause, &past), errors.As(err, &past): // the second is of a guest that crashed for want of memory
		d.Error = &abi.DoneError{Message: past.Error(), Retryable: true, Code: abi.CodeLimitExceeded}
		if errors.Is(err, errCrashed) {
			d.Error.Message = err.Error()
		}
		err = past.refusal(name)
	case errors.Is(cause, errHostPanic), errors.Is(cause, errAudit), errors.Is(cause, errSink):
		d.Error = &abi.DoneError{Message: "the host failed", Retryable: true, Code: abi.CodeHostError}
		err = fmt.Errorf("%s: %w", name, cause)
	case cause != nil:
		d.Status = abi.Cancelled
		d.Error = &abi.DoneError{Message: "the run was stopped", Retryable: true, Code: abi.CodeCancelled, RecoveryHint: hint(abi.RetryByRuntime)}
		err = fmt.Errorf("%s: the run was stopped: %w", name, cause)
	case r.violation != "":
		d.Error = &abi.DoneError{Message: r.violation, Code: abi.CodeProtocolViolation, RecoveryHint: hint(abi.RetryOnConnectorUpgrade)}
		err = fmt.Errorf("%s: %w: it broke the protocol: %s", name, ErrSourceFailed, oneLine(r.violation))
	case errors.Is(err, errCrashed):
		d.Error = &abi.DoneError{Message: err.Error(), Code: abi.CodeConnectorCrashed, RecoveryHint: hint(abi.RetryOnConnectorUpgrade)}
		err = fmt.Errorf("%s: %w: %s", name, ErrSourceFailed, oneLine(err.Error()))
	case errors.Is(err, ErrSourceFailed):
		d.Error = &abi.DoneError{Message: err.Error(), Retryable: true, Code: abi.CodeSourceUnavailable, RecoveryHint: hint(abi.RetryByRuntime)}
		err = fmt.Errorf("%s: %w", name, err)
	case err != nil:
		d.Error = &abi.DoneError{Message: "the host failed", Retryable: true, Code: abi.CodeHostError}
		err = fmt.Errorf("%s: %w", name, err)
	case r.unanswered != "":
		d.Error = &abi.DoneError{Message: "it had to ask the owner, and nobody was there", Code: abi.CodeCredentialDenied, RecoveryHint: hint(abi.RefreshCredentials)}
		if r.unanswered == abi.InteractManualAction {
			d.Error.Code, d.Error.RecoveryHint = abi.CodeConnectorFailed, hint(abi.ManualActionRequired)
		}
		err = &Refusal{Thing: name, Rule: "unattended", Reason: "it had to ask the owner, and nobody was there", Remedy: "run it where the owner can answer", NeedsOwner: true}
	case r.done == nil:
		d.Error = &abi.DoneError{Message: "the connector ended without DONE", Code: abi.CodeConnectorCrashed, RecoveryHint: hint(abi.RetryOnConnectorUpgrade)}
		err = fmt.Errorf("%s: %w: it ended without DONE", name, ErrSourceFailed)
	default:
		d = *r.done
		err = r.guestError(d)
	}
	return d, err
}

// revoked is the error of a run whose approval was taken back meanwhile, by the
// owner or by the strikes of other runs.
func (r *run) revoked(e *abi.DoneError) error {
	v := capabilities.Active(r.request(capabilities.OpIssue, nil))
	if r.standing.Load().Strikes == 0 {
		v.Reason, v.Remedy = "the owner took the approval back while it ran", "run: "+capabilities.ApproveCommand(r.scope)
	}
	e.Message = v.Reason
	return &Refusal{Thing: r.manifest.ConnectorKey, Rule: string(capabilities.RuleRevoked), Reason: v.Reason, Remedy: v.Remedy}
}

// guestError is the error of a run that ended as the guest said.
func (r *run) guestError(d abi.Done) error {
	if d.Status == abi.Succeeded {
		return nil
	}
	kind, text := ErrSourceFailed, "it gave no reason"
	if d.Error != nil {
		text = oneLine(d.Error.Message)
		switch d.Error.Code {
		case abi.CodeCredentialRejected:
			kind = ErrNeedsOwner
		case abi.CodeCredentialDenied:
			kind = ErrRefused
			if r.ownerCanMend() {
				kind = ErrNeedsOwner
			}
		case abi.CodeLeakBlocked, abi.CodeLimitExceeded:
			kind = ErrRefused
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outcome.Problem != "" {
		text += "; the host saw: " + r.outcome.Problem
	}
	return fmt.Errorf("%s: %w: the connector says: %s", r.manifest.ConnectorKey, kind, text)
}

func (r *run) ownerCanMend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.outcome.Refusals, func(f Refusal) bool { return f.NeedsOwner })
}

// blameCredential tells a run that failed because the source refused a
// credential from one that failed for a reason of its own: the host saw the
// answer, and does not need the guest to say so.
func (r *run) blameCredential(d abi.Done, err error, rejected []string) (abi.Done, error) {
	e := abi.DoneError{Message: "the source refused the credential"}
	if d.Error != nil {
		e = *d.Error
	}
	switch e.Code {
	case "", abi.CodeConnectorFailed, abi.CodeSourceUnavailable, abi.CodeCredentialDenied, abi.CodeCredentialRejected:
	default:
		return d, err
	}
	e.Code, e.Retryable, e.RecoveryHint = abi.CodeCredentialRejected, false, hint(abi.RefreshCredentials)
	d.Error = &e
	r.mu.Lock()
	r.outcome.Problem = fmt.Sprintf("the source refused %s; run: %s", rejected[0], capabilities.SetCommand(r.scope, rejected[0]))
	problem := r.outcome.Problem
	r.mu.Unlock()
	return d, fmt.Errorf("%s: %w: %s", r.manifest.ConnectorKey, ErrNeedsOwner, problem)
}

// commit makes the records durable and then, or in one with it, keeps the
// cursors.
func (r *run) commit() error {
	streams := slices.Sorted(maps.Keys(r.staged))
	keeps := len(streams) > 0 && r.opts.Grant.Continuous
	_, both := r.sink.(StateSink)
	if !keeps || !both {
		if err := r.inSink(r.sink.Flush); err != nil {
			return fmt.Errorf("sink: the records could not be made durable, and no state was kept: %w", err)
		}
	}
	if !keeps {
		return nil
	}
	commit := func(ctx context.Context) error { return r.states.Commit(ctx, r.scope, r.staged) }
	if both {
		if err := r.inSink(commit); err != nil {
			return fmt.Errorf("sink: the records could not be made durable, and none of %d cursors was kept: %w", len(streams), err)
		}
	} else if err := commit(r); err != nil {
		return fmt.Errorf("state: none of %d cursors could be kept: %w", len(streams), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome.StateCommitted = streams
	return nil
}

// inSink calls the sink, which no stopped run waits for.
func (r *run) inSink(fn func(context.Context) error) error {
	_, err := await(r.Context, func() (struct{}, error) { return struct{}{}, fn(r) })
	return err
}

func (r *run) count() (n int64) {
	for _, of := range r.outcome.Records {
		n += of
	}
	return n
}

func hint(a abi.RecoveryAction) *abi.RecoveryHint { return &abi.RecoveryHint{Action: a} }

// lastLeak is the error of a run that the guard stopped.
func (r *run) lastLeak() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.outcome.Refusals {
		if f.Rule == ruleGuard {
			return &f
		}
	}
	return fmt.Errorf("%s: %w: %w", r.manifest.ConnectorKey, ErrRefused, errLeak)
}

// strike counts a leak against the approval, which may end it.
func (r *run) strike(ctx context.Context) {
	s, ok := r.host.approvals.(Suspender)
	if !ok {
		return
	}
	serial, err := s.Strike(ctx, r.scope)
	if err != nil {
		r.host.logger.Error("a leak could not be counted against the approval", "run", r.id, "err", err)
		return
	}
	if serial == 0 {
		return
	}
	f := Refusal{
		Thing: "connector " + r.manifest.ConnectorKey, Rule: "suspended", Reason: fmt.Sprintf("%d runs under one approval let a secret out, or tried to", MaxStrikes),
		Remedy: "find out why, by: sallyport audit show --refused; then run: " + capabilities.ApproveCommand(r.scope), NeedsOwner: true,
	}
	r.note(f)
	e := Event{Kind: EventRevocation, Op: "suspend", Serial: serial, Rule: f.Rule, Reason: f.Reason, Remedy: f.Remedy}
	if err := r.ledger.write(ctx, e); err != nil {
		r.host.logger.Error("audit log", "run", r.id, "err", err)
	}
}
