package sallyporttest

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

func begun(t *testing.T, ctx context.Context, h http.HandlerFunc) (*session, uint32) {
	t.Helper()
	s := &session{host: Host{Source: Handler(h)}, ctx: ctx, result: &Result{}, exchanges: map[uint32]*exchange{}, tickets: map[uint32][]byte{}}
	res := s.Send([]byte(`{"method":"GET","url":"https://a.example/"}`), nil, false)
	if res.Status() != abi.StatusOK {
		t.Fatal(res.Status())
	}
	return s, res.Len()
}

// A connector that asks twice gets the headers once, here as from the host.
func TestWaitTellsTheHeadersOnce(t *testing.T) {
	next := make(chan bool)
	s, handle := begun(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", "x")
		w.(http.Flusher).Flush()
		<-next
		w.Write([]byte("b"))
	})
	x, _ := s.find(handle)
	poll := func() []report {
		var all []report
		out := make([]byte, 1<<10)
		if err := json.Unmarshal(out[:s.Wait(handle, 0, out).Len()], &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	x.await(t.Context(), func() bool { return x.status != 0 })
	if all := poll(); len(all) != 1 || all[0].State != abi.ReadyHead || len(all[0].Headers) != 1 || all[0].Status != 200 {
		t.Errorf("first %+v", all)
	}
	if all := poll(); len(all) != 0 {
		t.Errorf("the head is told of twice: %+v", all)
	}
	close(next)
	x.await(t.Context(), func() bool { return len(x.body) > 0 })
	for range 2 {
		if all := poll(); len(all) != 1 || all[0].State != abi.ReadyBody || all[0].Headers != nil || all[0].Status != 200 {
			t.Errorf("then %+v", all)
		}
	}
}

func TestNoWaiterLeavesNoHandle(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, handle := begun(t, ctx, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cancel()
	if _, err := s.Waiter(handle); err == nil || len(s.exchanges) > 0 {
		t.Errorf("%v, %d handles are open", err, len(s.exchanges))
	}
}
