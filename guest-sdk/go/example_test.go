package sallyport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// Star is a record of the stream starred.
type Star struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// collect is a connector. Its func main is
//
//	func main() { sallyport.Main(collect) }
func collect(ctx context.Context, run *sallyport.Run) error {
	starred := sallyport.NewStream(run, "starred", func(s Star) sallyport.Key { return sallyport.Key{s.ID} }, "id")
	token, err := run.Credential("API_TOKEN")
	if err != nil {
		return err
	}
	since, _, err := sallyport.LoadState[map[string]string](run, "starred")
	if err != nil {
		return err
	}
	resp, err := sallyport.NewClient(run).Do(ctx, &sallyport.Request{
		URL:    run.Option("base_url") + "/starred?after=" + since["last"],
		Header: sallyport.Header{"Authorization": {sallyport.Bearer(token)}},
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := resp.Err(); err != nil {
		return err // a 401 ends the run as credential_rejected
	}
	last := since["last"]
	for dec := json.NewDecoder(resp.Body); dec.More(); {
		var s Star
		if err := dec.Decode(&s); err != nil {
			return err
		}
		if err := starred.Emit(s); err != nil {
			return err
		}
		last = s.ID
	}
	return starred.SaveState(map[string]string{"last": last})
}

// The whole of a connector, run on a stand-in for a host.
func Example() {
	source := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the real token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Query().Get("after") == "" {
			fmt.Fprint(w, `{"id":"1","name":"age"} {"id":"2","name":"wazero"}`)
		}
	})
	host := sallyporttest.Host{
		Streams:     []string{"starred"},
		Options:     map[string]any{"base_url": "https://api.example"},
		Credentials: map[string]string{"API_TOKEN": "the real token"},
		Source:      sallyporttest.Handler(source),
	}
	first := host.Run(collect)
	for _, r := range first.Records {
		fmt.Println(r.Stream, r.Key, string(r.Data))
	}
	host.State = first.State
	second := host.Run(collect)
	fmt.Println("then", len(second.Records), "more;", second.Done.Status)

	host.Credentials = map[string]string{"API_TOKEN": "an old token"}
	third := host.Run(collect)
	fmt.Println(third.Done.Code, third.Done.Recovery)
	// Output:
	// starred [1] {"id":"1","name":"age"}
	// starred [2] {"id":"2","name":"wazero"}
	// then 0 more; succeeded
	// credential_rejected refresh_credentials
}

func ExampleRun_Credential() {
	host := sallyporttest.Host{Streams: []string{"notes"}, Credentials: map[string]string{"API_TOKEN": "the real token"}}
	host.Run(func(_ context.Context, run *sallyport.Run) error {
		token, err := run.Credential("API_TOKEN")
		fmt.Println(len(token), token[:3], err)
		_, err = run.Credential("BANK_PASSWORD")
		fmt.Println(err)
		return nil
	})
	// Output:
	// 40 sp1 <nil>
	// use BANK_PASSWORD: denied
}

// A source that wants several requests is asked for a few at a time; the
// records are emitted in order.
func ExampleGroup() {
	source := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Query().Get("n")) })
	host := sallyporttest.Host{Streams: []string{"pages"}, Source: sallyporttest.Handler(source)}
	host.Run(func(ctx context.Context, run *sallyport.Run) error {
		client := sallyport.NewClient(run)
		pages := make([]string, 5)
		g := sallyport.NewGroup(ctx, 3)
		for n := range pages {
			g.Go(func(ctx context.Context) error {
				resp, err := client.Do(ctx, &sallyport.Request{URL: fmt.Sprintf("https://api.example/?n=%d", n)})
				if err != nil {
					return err
				}
				text, err := resp.Bytes(1 << 20)
				pages[n] = string(text)
				return err
			})
		}
		err := g.Wait()
		fmt.Println(pages, err)
		return err
	})
	// Output: [page 0 page 1 page 2 page 3 page 4] <nil>
}

// A connector that cannot collect a part of what is wanted says so, and goes
// on.
func ExampleRun_Skip() {
	host := sallyporttest.Host{Streams: []string{"notes"}}
	r := host.Run(func(_ context.Context, run *sallyport.Run) error {
		return run.Skip(sallyport.Skip{Stream: "notes", Reason: sallyport.ReasonScopeNotSupported,
			Message: "the source does not say when a note was written", RecoveryHint: sallyport.NotRetriable})
	})
	fmt.Println(r.Done.Status, string(r.Skips[0]))
	// Output: succeeded {"type":"SKIP_RESULT","stream":"notes","reason":"scope_not_supported","message":"the source does not say when a note was written","recovery_hint":"not_retriable"}
}
