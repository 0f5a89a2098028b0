package sallyport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// TestSignedResultsAreSurrogates: the connector sees a stand-in, the source the
// result.
func TestSignedResultsAreSurrogates(t *testing.T) {
	var got []string
	h := host()
	h.Credentials = map[string]string{"KEY": "canary", "GONE": ""}
	h.Sign = func(name, template string, data []byte) (string, bool) {
		return fmt.Sprintf("%s-%s-%s-result", name, template, data), template != "unknown"
	}
	h.Source = sallyporttest.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("X-Signature"))
	}))
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error {
		signature, err := run.Sign("KEY", "app", []byte("data"))
		if err != nil {
			return err
		}
		code, err := run.TOTP("KEY")
		if err != nil {
			return err
		}
		for _, s := range []sallyport.Surrogate{signature, code} {
			if len(s) != abi.SurrogateLen || !strings.HasPrefix(string(s), abi.SurrogatePrefix) || signature == code {
				t.Errorf("%q is no surrogate", s)
			}
			resp, err := sallyport.NewClient(run).Do(ctx, &sallyport.Request{URL: "https://a.example", Header: sallyport.Header{"X-Signature": {string(s)}}})
			if err != nil {
				return err
			}
			if _, err := resp.Bytes(1 << 10); err != nil {
				return err
			}
		}
		for name, want := range map[string]error{"OTHER": sallyport.ErrDenied, "GONE": sallyport.ErrNotFound} {
			if _, err := run.TOTP(name); !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := run.Sign("KEY", "unknown", nil); !errors.Is(err, sallyport.ErrInvalid) {
			t.Errorf("an unknown template: %v", err)
		}
		if _, err := run.Sign("KEY", "app", make([]byte, abi.MaxSignBytes+1)); !errors.Is(err, sallyport.ErrTooLarge) {
			t.Errorf("too much: %v", err)
		}
		return nil
	})
	succeeded(t, r)
	if want := "[KEY-app-data-result KEY---result]"; fmt.Sprint(got) != want {
		t.Errorf("the source got %q, want %s", got, want)
	}
}

// TestPutTakesCapturedSurrogates: what a source hands out is put without
// having been read.
func TestPutTakesCapturedSurrogates(t *testing.T) {
	const minted = "canary-minted"
	h := host()
	h.Credentials = map[string]string{"API_TOKEN": "canary"}
	h.Captured = map[string]string{"API_TOKEN": minted}
	h.Source = sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"token": "`+minted+`"}`)
	}))
	end := time.Date(2027, 1, 31, 1, 0, 0, 0, time.FixedZone("", 3600))
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error {
		resp, err := sallyport.NewClient(run).Do(ctx, &sallyport.Request{Method: "POST", URL: "https://a.example/tokens"})
		if err != nil {
			return err
		}
		raw, err := resp.Bytes(1 << 10)
		if err != nil {
			return err
		}
		var answer struct{ Token sallyport.Surrogate }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		if strings.Contains(string(answer.Token), minted) {
			t.Error("the connector read the new secret")
		}
		own, err := run.Credential("API_TOKEN")
		if err != nil {
			return err
		}
		for _, other := range []sallyport.Surrogate{own, "anything", ""} {
			if err := run.Put("API_TOKEN", other, sallyport.PutOptions{}); !errors.Is(err, sallyport.ErrDenied) {
				t.Errorf("what was not captured: %v", err)
			}
		}
		if err := run.Put("OTHER", answer.Token, sallyport.PutOptions{}); !errors.Is(err, sallyport.ErrDenied) {
			t.Errorf("under another name: %v", err)
		}
		return run.Put("API_TOKEN", answer.Token, sallyport.PutOptions{ExpiresAt: end})
	})
	succeeded(t, r)
	if len(r.Stored) != 1 || r.Stored[0].Name != "API_TOKEN" || r.Stored[0].Value != minted || !r.Stored[0].ExpiresAt.Equal(end) {
		t.Errorf("%d stored, not the one", len(r.Stored))
	}
}

// TestRevealedDoesNotShow: the value comes out by Bytes and by nothing else.
func TestRevealedDoesNotShow(t *testing.T) {
	secret := "canary-" + strings.Repeat("x", 300) // more than fits at once
	h := host()
	h.Credentials = map[string]string{"KEY": secret, "OTHER": "canary"}
	h.Reveal = []string{"KEY"}
	r := h.Run(func(_ context.Context, run *sallyport.Run) error {
		if _, err := run.Reveal("OTHER"); !errors.Is(err, sallyport.ErrDenied) {
			t.Errorf("one that is not for that: %v", err)
		}
		value, err := run.Reveal("KEY")
		if err != nil {
			return err
		}
		if string(value.Bytes()) != secret {
			t.Error("Bytes is not the value")
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		inside := struct{ v *sallyport.Revealed }{value}
		for _, text := range []string{fmt.Sprint(value), fmt.Sprintf("%v %+v %#v %s %q %x %d", value, value, value, value, value, value, value),
			fmt.Sprintf("%+v %#v %v", inside, inside, *value), fmt.Sprintf("%+v", []any{*value}), log.String()} {
			if strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) || strings.Contains(text, "99 97 110") {
				t.Error("the value shows")
			}
		}
		if raw, err := json.Marshal(value); err == nil {
			t.Errorf("JSON of %d bytes", len(raw))
		}
		value.Wipe()
		if strings.Trim(string(value.Bytes()), "\x00") != "" {
			t.Error("it is still there after Wipe")
		}
		return nil
	})
	succeeded(t, r)
}
