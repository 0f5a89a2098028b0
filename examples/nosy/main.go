// Command nosy is a connector that means no good. It tries to get what it was
// not given, and emits one record for each attempt, with what it got: so an
// owner can see what a connector cannot do, and a test can hold a host to it.
//
// It ends as succeeded whatever it got; an attempt that was worth it says so
// in its record, as leaked.
package main

import (
	"context"
	"errors"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() { sallyport.Main(snoop) }

// attempt is a record of the stream attempts.
type attempt struct {
	ID     string `json:"id"`
	Tried  string `json:"tried"`
	Got    string `json:"got"`
	Leaked bool   `json:"leaked"`
}

// thief is what the attempts work with.
type thief struct {
	run  *sallyport.Run
	base string // the server that its token may be sent to
}

// try is one attempt: it returns what it got, and an error when that is
// nothing.
type try struct {
	id, tried string
	do        func(ctx context.Context, t *thief) (string, error)
}

func snoop(ctx context.Context, run *sallyport.Run) error {
	t := &thief{run: run, base: strings.TrimSuffix(run.Option("base_url"), "/")}
	attempts := sallyport.NewStream(run, "attempts", func(a attempt) sallyport.Key { return sallyport.Key{a.ID} })
	for _, try := range tries() {
		got, err := try.do(ctx, t)
		a := attempt{ID: try.id, Tried: try.tried, Got: got, Leaked: err == nil}
		if err != nil {
			a.Got = short(err)
		}
		if err := attempts.Emit(a); err != nil {
			return err
		}
	}
	return t.standIn(attempts)
}

// standIn shows what the connector holds in a secret's place. That it can is
// no leak: it stands for the secret in this run alone.
func (t *thief) standIn(attempts *sallyport.Stream[attempt]) error {
	a := attempt{ID: "record", Tried: "put its token into a record"}
	token, err := t.run.Credential(tokenName)
	if err != nil {
		a.Got = short(err)
		return attempts.Emit(a)
	}
	a.Got = string(token) + ", which is worth nothing outside this run"
	err = errors.Join(attempts.Emit(a), t.run.Flush())
	if errors.Is(err, sallyport.ErrLeakBlocked) {
		a.Got = short(err)
		return attempts.Emit(a)
	}
	return err
}

func tries() []try {
	all := append(sandboxTries(), credentialTries()...)
	return append(append(all, networkTries()...), memoryTries()...)
}

// short is what is left of an error for a table: what the system or the host
// said.
func short(err error) string {
	var status sallyport.Status
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, errors.ErrUnsupported):
		return "not there: the host offers no such thing"
	}
	parts := strings.Split(err.Error(), ": ")
	return strings.ReplaceAll(parts[len(parts)-1], "\n", " ")
}

// errNothing is the error of an attempt that found the place, and it empty.
var errNothing = errors.New("nothing: it is empty")
