package sallyport

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Surrogate stands for a credential. Put it where a client library would take
// the secret: the host puts the value in on the way out, where the manifest's
// send_to says so, and stops what carries it elsewhere. It is made for one run
// and worthless outside it, so it prints as itself. Of an identity (an account
// name) it is the plain value.
type Surrogate string

// Basic returns the value of an Authorization header for HTTP Basic
// authentication. user may be a surrogate too, or plain.
func Basic(user, password Surrogate) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(string(user)+":"+string(password)))
}

// Bearer returns the value of an Authorization header for a bearer token.
func Bearer(token Surrogate) string { return "Bearer " + string(token) }

// Credential returns what to use for the credential that the manifest
// declares under name. The error is [ErrDenied], [ErrNotFound], [ErrExpired]
// or [ErrRejected]; a connector that cannot go on without returns it as its
// own.
func (r *Run) Credential(name string) (Surrogate, error) {
	return r.issued.ask(r, name)
}

// issued keeps what the host answered last, so that asking again allocates
// nothing. The host is asked each time: the answer may have changed.
type issued struct {
	mu   sync.Mutex
	room [128]byte // a surrogate, and most identities
	last []answer  // few: a connector has few credentials
}

type answer struct {
	name  string
	value Surrogate
}

func (i *issued) ask(r *Run, name string) (Surrogate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	value, err := r.fetch("use", name, i.room[:], r.host.Use(name, i.room[:]))
	if err != nil {
		return "", err
	}
	for at := range i.last {
		a := &i.last[at]
		if a.name != name {
			continue
		}
		if string(a.value) != string(value) {
			a.value = Surrogate(value)
		}
		return a.value, nil
	}
	i.last = append(i.last, answer{strings.Clone(name), Surrogate(value)})
	return Surrogate(value), nil
}

// CredentialState is how a credential stands.
type CredentialState string

// The states of a credential.
const (
	CredentialActive   CredentialState = abi.CredentialActive
	CredentialMissing  CredentialState = abi.CredentialMissing
	CredentialExpired  CredentialState = abi.CredentialExpired
	CredentialRejected CredentialState = abi.CredentialRejected
)

// CredentialStatus says how a credential stands.
type CredentialStatus struct {
	// Class is "long_lived_token", "session", "password" or "one_time", and
	// empty for an identity.
	Class     string          `json:"class"`
	State     CredentialState `json:"state"`
	ExpiresAt time.Time       `json:"expires_at"` // zero when it is not known
}

// Status returns how a credential stands, without using it. A name that is
// not declared and approved is [ErrDenied].
func (r *Run) Status(name string) (CredentialStatus, error) {
	var s CredentialStatus
	var room [256]byte
	raw, err := r.result("status of", name, room[:], func(out []byte) abi.Result { return r.host.Status(name, out) })
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("status of %s: %w", name, err)
	}
	return s, nil
}

// RejectReason says why a source refused a credential.
type RejectReason uint32

// The reasons.
const (
	RejectUnauthorized RejectReason = abi.RejectUnauthorized // refused
	RejectExpired      RejectReason = abi.RejectExpired      // the source said that it has expired
	RejectScope        RejectReason = abi.RejectScope        // good, but it does not reach far enough
)

// Reject tells the host that the source refused a credential. The host
// believes it only together with a refusal that it saw itself. A connector
// that cannot go on returns an error that wraps [ErrRejected].
func (r *Run) Reject(name string, reason RejectReason) error {
	if st := r.host.Reject(name, uint32(reason)).Status(); st != abi.StatusOK {
		return r.refused("reject", name, st)
	}
	return nil
}
