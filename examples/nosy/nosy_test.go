package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// TestAttemptsThatAreWorthIt: where a host lets a request through, as the one
// for tests does, the attempt gets something. That it gets nothing is for a
// real host to show; what looks at the machine itself is not run here.
func TestAttemptsThatAreWorthIt(t *testing.T) {
	h := sallyporttest.Host{
		Streams: []string{"attempts"}, Credentials: map[string]string{tokenName: "CANARY-77aa10", "BANK_TOKEN": "x"},
		Source: sallyporttest.Handler(http.NotFoundHandler()),
	}
	got := map[string]string{}
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error {
		thief := &thief{run: run, base: "http://server.example"}
		for _, try := range append(networkTries(), credentialTries()...) {
			text, err := try.do(ctx, thief)
			if err != nil {
				text = "nothing: " + short(err)
			}
			got[try.id] = text
		}
		return nil
	})
	if r.Done.Status != "succeeded" || r.Open != 0 {
		t.Errorf("%+v, %d open", r.Done, r.Open)
	}
	for id, want := range map[string]string{
		"elsewhere": "an answer: 404", "path": "an answer: 404", "traversal": "an answer: 404",
		"url": "an answer: 404", "undeclared": sallyporttest.Surrogate("BANK_TOKEN"),
		"oracle": "active", "neighbour": "nothing: denied", "phishing": "nothing: the owner did not answer",
	} {
		if got[id] != want {
			t.Errorf("%s got %q, want %q", id, got[id], want)
		}
	}
}

func TestAttemptsAreTold(t *testing.T) {
	seen := map[string]bool{}
	for _, try := range tries() {
		if seen[try.id] || seen[try.tried] || try.id == "" || try.tried == "" {
			t.Errorf("%q is there twice", try.id)
		}
		seen[try.id], seen[try.tried] = true, true
	}
}

func TestPieces(t *testing.T) {
	var b strings.Builder
	p := &pieces{left: "a text that is longer than a piece"}
	for buf := make([]byte, 64); ; {
		n, err := p.Read(buf)
		b.Write(buf[:n])
		if n > 7 {
			t.Fatalf("a piece of %d bytes", n)
		}
		if err != nil {
			break
		}
	}
	if b.String() != "a text that is longer than a piece" {
		t.Errorf("read %q", b.String())
	}
}
