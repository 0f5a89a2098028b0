package sallyport_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// refusing is a host that refuses the first batch by a status.
type refusing struct {
	hostcall.Functions
	refused bool
	lines   []string
}

func (r *refusing) Input(out []byte) abi.Result {
	return abi.OK(uint32(copy(out, `{"type":"START","run_id":"r","collection_mode":"incremental","scope":{"streams":[{"name":"notes"}]}}`)), 0)
}
func (*refusing) ErrorText([]byte) abi.Result   { return abi.OK(0, 0) }
func (*refusing) Log(uint32, []byte) abi.Result { return abi.OK(0, 0) }
func (r *refusing) Emit(text []byte) abi.Result {
	if !r.refused {
		r.refused = true
		return abi.Result(abi.StatusLeakBlocked)
	}
	var n uint32
	for line := range bytes.Lines(text) {
		r.lines = append(r.lines, string(line))
		n++
	}
	return abi.OK(n, 0)
}

// Records that the host did not take are not passed over: no cursor moves past
// them, and the run does not succeed, whoever ignored the error.
func TestRecordsThatWereNotTakenFailTheRun(t *testing.T) {
	h := &refusing{}
	sallyport.RunOn(h, func(_ context.Context, run *sallyport.Run) error {
		s := sallyport.NewStream(run, "notes", func(n note) sallyport.Key { return sallyport.Key{n.ID} })
		if err := s.Emit(note{ID: "1"}); err != nil {
			return err
		}
		_ = run.Progress("one done") // hands the batch over, and who looks at that
		if err := s.SaveState(map[string]int{"seen": 1}); err == nil {
			t.Error("the cursor was saved")
		}
		return nil
	})
	said := strings.Join(h.lines, "")
	if strings.Contains(said, `"STATE"`) || strings.Contains(said, `"succeeded"`) || !strings.Contains(said, `"failed"`) {
		t.Errorf("the host was told %q", said)
	}
}

func TestARedirectElsewhereDoesNotCarryTheCredential(t *testing.T) {
	h := host()
	h.Credentials = map[string]string{"TOKEN": "CANARY-5d21"}
	h.Source = sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			http.Redirect(w, r, "https://other.example/", http.StatusFound)
			return
		}
		fmt.Fprintf(w, "%s%s", r.Header.Get("Authorization"), r.Header.Get("Cookie"))
	}))
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error {
		token, err := run.Credential("TOKEN")
		if err != nil {
			return err
		}
		c := sallyport.NewClient(run)
		c.CheckRedirect = sallyport.FollowRedirects(3)
		resp, err := c.Do(ctx, &sallyport.Request{URL: origin + "/elsewhere", Header: sallyport.Header{"Authorization": {sallyport.Bearer(token)}, "Cookie": {"a=b"}}})
		if err != nil {
			return err
		}
		if body, err := resp.Bytes(math.MaxInt64); err != nil || len(body) > 0 {
			t.Errorf("the other origin got %d bytes, %v", len(body), err)
		}
		if resp, err = c.Do(ctx, &sallyport.Request{URL: origin + "/", Header: sallyport.Header{"Cookie": {"a=b"}}}); err == nil {
			if body, _ := resp.Bytes(math.MaxInt64); string(body) != "a=b" {
				t.Errorf("all of a body is %q", body)
			}
		}
		return err
	})
	if r.Done.Status != "succeeded" {
		t.Errorf("%+v", r.Done)
	}
}
