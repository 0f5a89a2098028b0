package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const origin = "https://api.example"

// call runs f as a connector of an API that a handler stands in for.
func call(t *testing.T, source http.HandlerFunc, api API, f func(ctx context.Context, c *Client) error) *sallyporttest.Result {
	t.Helper()
	api.Name, api.Origin = "Example", origin
	host := sallyporttest.Host{Streams: []string{"things"}, Source: sallyporttest.Handler(source)}
	r := host.Run(func(ctx context.Context, run *sallyport.Run) error { return f(ctx, New(run, api)) })
	if len(r.Problems) > 0 || r.Open > 0 {
		t.Errorf("problems %q, %d answers left open", r.Problems, r.Open)
	}
	return r
}

func TestGet(t *testing.T) {
	source := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Own") != "yes" || r.URL.Query().Get("key") != "k" || r.URL.Query().Get("page") != "2" {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, `{"n": 7}`)
	}
	api := API{Header: sallyport.Header{"X-Own": {"yes"}}, Query: url.Values{"key": {"k"}}}
	r := call(t, source, api, func(ctx context.Context, c *Client) error {
		for _, address := range []string{"/a/b?page=2", origin + "/a/b?page=2", "/a/b?page=2#here"} {
			var into struct{ N int }
			if _, err := c.Get(ctx, address, &into); err != nil || into.N != 7 {
				t.Errorf("%s: %v, %v", address, into, err)
			}
		}
		return nil
	})
	if r.Done.Status != "succeeded" || len(r.Requests) != 3 || r.Requests[0] != "GET "+origin+"/a/b?key=k&page=2" {
		t.Errorf("%+v, %q", r.Done, r.Requests)
	}
}

func TestGetIfChanged(t *testing.T) {
	source := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		fmt.Fprint(w, `[]`)
	}
	call(t, source, API{}, func(ctx context.Context, c *Client) error {
		var list []int
		first, err := c.GetIfChanged(ctx, "/", "", &list)
		if err != nil || first.Unchanged || first.Header.Get("ETag") != `"1"` {
			t.Errorf("first %+v, %v", first, err)
		}
		second, err := c.GetIfChanged(ctx, "/", first.Header.Get("ETag"), &list)
		if err != nil || !second.Unchanged {
			t.Errorf("second %+v, %v", second, err)
		}
		return nil
	})
}

// TestHowItEnds: what a source answers is what DONE says.
func TestHowItEnds(t *testing.T) {
	soon := time.Now().Add(time.Hour).UTC()
	for name, c := range map[string]struct {
		status      int
		header      string
		body        string
		code, says  string
		retryable   bool
		mustNotHold string
	}{
		"refused":        {401, "", "{}", "credential_rejected", "401", false, ""},
		"a fault":        {500, "", "{}", "source_unavailable", "500", true, ""},
		"no such":        {404, "", "{}", "connector_failed", "404", false, ""},
		"too many":       {429, "", "{}", "limit_exceeded", "Example: the rate limit is used up:", true, "until"},
		"for an hour":    {429, "3600", "{}", "limit_exceeded", "used up until 20", true, ""},
		"until":          {429, soon.Format("Mon, 02 Jan 2006 15:04:05 GMT"), "{}", "limit_exceeded", "until " + soon.Format(time.RFC3339), true, ""},
		"no JSON":        {200, "", "<html>", UnexpectedAnswer, "/path answered with something else", false, ""},
		"half of it":     {200, "", `{"a":`, UnexpectedAnswer, "something else", false, ""},
		"a redirect":     {302, "", "", UnexpectedAnswer, "/path answered with status 302", false, ""},
		"nothing to say": {204, "", "", UnexpectedAnswer, "204", false, ""},
	} {
		source := func(w http.ResponseWriter, _ *http.Request) {
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}
		d := call(t, source, API{}, func(ctx context.Context, client *Client) error {
			var into map[string]any
			_, err := client.Get(ctx, "/path?secret=1", &into)
			return err
		}).Done
		if d.Code != c.code || !strings.Contains(d.Message, c.says) || d.Retryable != c.retryable {
			t.Errorf("%s: ended as %+v", name, d)
		}
		if strings.Contains(d.Message, "secret") || c.mustNotHold != "" && strings.Contains(d.Message, c.mustNotHold) {
			t.Errorf("%s: said %q", name, d.Message)
		}
	}
}

func TestRenewable(t *testing.T) {
	for _, renewable := range []bool{false, true} {
		tries := 0
		source := func(w http.ResponseWriter, _ *http.Request) {
			if tries++; tries == 1 {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprint(w, "{}")
		}
		r := call(t, source, API{Renewable: renewable}, func(ctx context.Context, c *Client) error {
			var into struct{}
			_, err := c.Get(ctx, "/", &into)
			return err
		})
		if (r.Done.Status == "succeeded") != renewable {
			t.Errorf("renewable %t: ended as %+v after %d tries", renewable, r.Done, tries)
		}
	}
}

// TestPagesStayOnOrigin: a page elsewhere is not asked for, however it is
// written.
func TestPagesStayOnOrigin(t *testing.T) {
	for _, next := range []string{
		"https://evil.example/", "http://api.example/x", "https://api.example:8443/x", "https://api.example.evil.example/", "//evil.example/",
		"https://api.example@evil.example/", "https://me@api.example/x", `https:\\evil.example/`, "ftp://api.example/", "%", "https://API.example/x", "mailto:x@api.example",
	} {
		r := call(t, func(http.ResponseWriter, *http.Request) {}, API{}, func(_ context.Context, c *Client) error {
			return c.Pages("/first", func(address string) (string, error) {
				if address != "/first" {
					t.Errorf("%s was read", address)
				}
				return next, nil
			})
		})
		if r.Done.Code != UnexpectedAnswer || strings.Contains(r.Done.Message, "evil") {
			t.Errorf("%s: ended as %+v", next, r.Done)
		}
	}
}

func TestPagesEnd(t *testing.T) {
	for name, c := range map[string]struct {
		next func(n int) string
		says string
		read int
	}{
		"a circle": {func(n int) string { return fmt.Sprintf("?p=%d", n%3) }, "links in a circle", 4},
		"no end":   {func(n int) string { return fmt.Sprintf("?p=%d", n) }, fmt.Sprintf("more than %d pages", MaxPages), MaxPages},
		"an end":   {func(n int) string { return strings.Repeat("?p=2", max(0, 2-n)) }, "", 2},
	} {
		read := 0
		r := call(t, nil, API{}, func(_ context.Context, client *Client) error {
			return client.Pages("/list", func(string) (string, error) {
				read++
				return c.next(read), nil
			})
		})
		if read != c.read || (c.says == "") != (r.Done.Status == "succeeded") || !strings.Contains(r.Done.Message, c.says) {
			t.Errorf("%s: read %d pages, ended as %+v", name, read, r.Done)
		}
	}
}

type thing struct {
	ID   string  `json:"id"`
	Text string  `json:"text"`
	At   *string `json:"at"`
}

// take runs an inventory of things, and returns what came, in short.
func take(t *testing.T, host *sallyporttest.Host, etag string, things ...thing) (came []string, r *sallyporttest.Result) {
	t.Helper()
	r = host.Run(func(_ context.Context, run *sallyport.Run) error {
		i, err := NewInventory(run, "things", func(t thing) string { return t.ID }, func(t thing) time.Time { return Time(t.At) }, "id")
		if err != nil {
			return err
		}
		for _, one := range things {
			if err := i.Take(one); err != nil {
				return err
			}
		}
		return i.Finish(etag)
	})
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 {
		t.Fatalf("ended as %+v, %q", r.Done, r.Problems)
	}
	host.State = r.State
	for _, record := range r.Records {
		if record.Delete {
			came = append(came, "-"+record.Key[0])
			continue
		}
		var one thing
		if err := json.Unmarshal(record.Data, &one); err != nil {
			t.Fatal(err)
		}
		came = append(came, one.ID+one.Text)
	}
	return came, r
}

func expect(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, " "); text != want {
		t.Errorf("%s: came %q, want %q", what, text, want)
	}
}

func TestInventory(t *testing.T) {
	host := &sallyporttest.Host{Streams: []string{"things"}}
	came, _ := take(t, host, `"1"`, thing{ID: "a", Text: "1"}, thing{ID: "b", Text: "1"}, thing{ID: "a", Text: "1"})
	expect(t, "at first", came, "a1 b1")
	came, r := take(t, host, `"1"`, thing{ID: "b", Text: "1"}, thing{ID: "a", Text: "1"})
	expect(t, "the same", came, "")
	if len(r.Saved) != 0 {
		t.Errorf("a cursor that is what it was is saved: %q", r.Saved)
	}
	came, r = take(t, host, `"2"`, thing{ID: "b", Text: "2"}, thing{ID: "c"})
	expect(t, "changes", came, "b2 c -a")
	if !strings.Contains(string(r.State["things"]), `\"2\"`) {
		t.Errorf("the ETag is not in %s", r.State["things"])
	}
	host.Full = true
	came, _ = take(t, host, "", thing{ID: "b", Text: "2"})
	expect(t, "all again", came, "b2")
}

// TestInventoryKeepsToTime: what is outside the scope's time is no record.
func TestInventoryKeepsToTime(t *testing.T) {
	at := func(text string) *string { return &text }
	host := &sallyporttest.Host{Streams: []string{"things"},
		Scopes: map[string]sallyport.Scope{"things": {Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	came, _ := take(t, host, "", thing{ID: "old", At: at("2025-12-31T23:59:59Z")}, thing{ID: "new", At: at("2026-01-01T00:00:00Z")}, thing{ID: "timeless"})
	expect(t, "since 2026", came, "new timeless")
}

// TestInventoryIgnoresSurrogates: a source that repeats the credential is read
// with another surrogate in each run.
func TestInventoryIgnoresSurrogates(t *testing.T) {
	host := &sallyporttest.Host{Streams: []string{"things"}}
	first, second := "sp1"+strings.Repeat("a", 37), "sp1"+strings.Repeat("b", 37)
	take(t, host, "", thing{ID: "a", Text: "it is " + first})
	came, _ := take(t, host, "", thing{ID: "a", Text: "it is " + second})
	expect(t, "another surrogate", came, "")
	came, _ = take(t, host, "", thing{ID: "a", Text: "it was " + second})
	expect(t, "another text", came, "ait was "+second)
}

// TestInventoryTooLarge: what cannot be remembered is collected again, and it
// is said that deletions are not seen.
func TestInventoryTooLarge(t *testing.T) {
	host := &sallyporttest.Host{Streams: []string{"things"}}
	var many []thing
	for n := range 30_000 {
		many = append(many, thing{ID: fmt.Sprintf("a key of some forty characters %08d", n)})
	}
	take(t, host, "", many...)
	if n := len(host.State["things"]); n > maxCursor {
		t.Errorf("the cursor has %d bytes", n)
	}
	came, r := take(t, host, "", many[:10]...)
	if len(came) != 10 || len(r.Skips) != 1 || !strings.Contains(string(r.Skips[0]), ReasonDeletionsUnknown) {
		t.Errorf("%d came, skipped %s", len(came), r.Skips)
	}
	came, r = take(t, host, "", many[:9]...)
	expect(t, "when it is small again", came, "-"+many[9].ID)
	if len(r.Skips) != 0 {
		t.Errorf("skipped %s", r.Skips)
	}
}

func TestLimitedKeepsItsCause(t *testing.T) {
	err := Limit{}.failure("Example", errors.New("status 403"))
	if !errors.Is(err, sallyport.ErrRateLimited) || !strings.Contains(err.Error(), "status 403") {
		t.Error(err)
	}
}
