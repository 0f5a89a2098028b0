package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// interact puts a question of the guest's to the owner, in the host's words.
func (r *run) interact(mod api.Module, stack []uint64) {
	text, s := view(mod, stack[0], stack[1], abi.MaxInteractBytes)
	var buf []byte
	if s == abi.StatusOK {
		buf, s = r.output(mod, stack[2], stack[3])
	}
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	if s := r.checkOut(text, "a question of the connector's"); s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	q, err := readInteraction(text)
	if err != nil || r.done != nil {
		stack[0] = result(r.fail(abi.StatusInvalid))
		return
	}
	answer, s := r.answer(q)
	if s != abi.StatusOK {
		stack[0] = result(r.fail(s))
		return
	}
	stack[0] = r.deliverJSON(buf, answer)
}

// readInteraction reads a question that has one reading.
func readInteraction(text []byte) (q abi.Interaction, err error) {
	v, err := strictjson.Parse(text, strictjson.Limits{})
	if err != nil {
		return q, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return q, errors.New("not an object")
	}
	for name := range members {
		if !slices.Contains([]string{"type", "request_id", "kind", "message", "schema", "timeout_seconds", "stream"}, name) {
			return q, errors.New("unknown member")
		}
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return q, err
	}
	_, hasTimeout := members["timeout_seconds"]
	if q.Type != abi.TypeInteraction || q.RequestID == "" || strings.TrimSpace(q.Message) == "" || hasTimeout && q.TimeoutSeconds <= 0 {
		return q, errors.New("incomplete")
	}
	return q, nil
}

// answer asks the owner and puts what was entered where it belongs.
func (r *run) answer(q abi.Interaction) (abi.InteractionResponse, abi.Status) {
	response := abi.InteractionResponse{Type: abi.TypeInteractionResponse, RequestID: q.RequestID, Status: abi.InteractionCancelled}
	if !r.spend(limitInteractions, 1) { // each is a line of the audit log, and takes an owner's patience
		return response, abi.StatusExhausted
	}
	wanted, s := r.wanted(q)
	if s != abi.StatusOK {
		return response, s
	}
	limit := defaultAnswerTime
	if q.TimeoutSeconds > 0 {
		limit = time.Duration(min(q.TimeoutSeconds, limit.Seconds()) * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(r.Context, limit)
	defer cancel()
	values, err := r.prompt(ctx, q.Kind, slices.Collect(maps.Values(wanted)), r.clean(q.Message))
	switch {
	case r.Err() != nil:
		return response, abi.StatusCancelled
	case errors.Is(err, context.DeadlineExceeded):
		response.Status = abi.InteractionTimeout
		return response, abi.StatusOK
	case errors.Is(err, ErrUnattended):
		r.unanswered = q.Kind // whatever the guest makes of it, the run ends with that
		return response, abi.StatusOK
	case errors.Is(err, ErrDeclined):
		return response, abi.StatusOK
	case err != nil:
		return response, r.unavailable(err)
	}
	response.Status = abi.InteractionSuccess
	if response.Data, err = r.accept(wanted, values); err != nil {
		var refusal *Refusal
		if errors.As(err, &refusal) {
			return abi.InteractionResponse{Type: response.Type, RequestID: q.RequestID, Status: abi.InteractionCancelled}, abi.StatusOK
		}
		return response, r.unavailable(err)
	}
	return response, abi.StatusOK
}

// wanted returns the declared credentials that a question asks for, by the
// name it uses. It may ask for nothing else, so that a connector cannot
// phish.
func (r *run) wanted(q abi.Interaction) (map[string]*credential, abi.Status) {
	switch q.Kind {
	case abi.InteractManualAction:
		if len(q.Schema) > 0 {
			return nil, r.refuseQuestion(q, "a manual action has nothing to enter", "ask for it with kind credentials")
		}
		return nil, abi.StatusOK
	case abi.InteractOTP:
		return nil, r.refuseQuestion(q, "this version of the host asks for no one-time codes", "do without it")
	case abi.InteractCredentials:
	default:
		return nil, abi.StatusInvalid
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(q.Schema, &schema); err != nil || len(schema.Properties) == 0 {
		return nil, abi.StatusInvalid
	}
	wanted := map[string]*credential{}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		c := r.credentials[name]
		if c == nil {
			return nil, r.refuseQuestion(q, fmt.Sprintf("it asks for %q, which the manifest does not declare as a credential", oneLine(name)), "declare it in /credentials_schema")
		}
		if v := capabilities.Decide(r.request(capabilities.OpIssue, c)); !v.Allowed && !ownerCan(v.Rule) {
			return nil, r.refuseQuestion(q, v.Reason, v.Remedy)
		}
		wanted[name] = c
	}
	return wanted, abi.StatusOK
}

func (r *run) refuseQuestion(q abi.Interaction, reason, remedy string) abi.Status {
	f := Refusal{Thing: "a question of kind " + oneLine(string(q.Kind)), Rule: "interaction", Reason: reason, Remedy: remedy}
	r.note(f)
	e := Event{Kind: EventInteraction, Op: "interact", Rule: f.Rule, Reason: f.Thing + ": " + f.Reason, Remedy: f.Remedy}
	if err := r.ledger.decided(r, question{op: "interact", name: reason}, e); err != nil {
		return r.unavailable(fmt.Errorf("%w: %w", errAudit, err))
	}
	return abi.StatusDenied
}
