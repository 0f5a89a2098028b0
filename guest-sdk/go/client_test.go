package sallyport_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const origin = "https://notes.example"

// source answers as the paths say.
func source() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			w.Header()["Got-"+name] = values
		}
		w.Header().Set("Got-Method", r.Method)
		w.WriteHeader(207)
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, io.LimitReader(zeros{}, 1<<20))
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
	})
	mux.HandleFunc("/to/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.Header().Set("Location", r.URL.Query().Get("at"))
		w.WriteHeader(code)
	})
	mux.HandleFunc("/head-then-hang", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begun")
		<-r.Context().Done()
	})
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// client runs f with a client of a source.
func client(t *testing.T, h http.Handler, f func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error) *sallyporttest.Result {
	t.Helper()
	on := host()
	on.Source = sallyporttest.Handler(h)
	r := on.Run(func(ctx context.Context, run *sallyport.Run) error { return f(ctx, sallyport.NewClient(run), run) })
	succeeded(t, r)
	return r
}

func text(t *testing.T, resp *sallyport.Response) string {
	t.Helper()
	b, err := resp.Bytes(1 << 20)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestDo(t *testing.T) {
	client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		token, err := run.Credential("API_TOKEN")
		if err != nil {
			return err
		}
		resp, err := c.Do(ctx, &sallyport.Request{Method: "REPORT", URL: origin + "/echo?q=1", Body: []byte("body"), Header: sallyport.Header{
			"Authorization": {sallyport.Basic("ada", token)}, "X-Token": {sallyport.Bearer(token)}, "X-Two": {"a", "b"}}})
		if err != nil {
			return err
		}
		if resp.StatusCode != 207 || text(t, resp) != "body" || resp.Header.Get("got-method") != "REPORT" || resp.Err() != nil {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
		if got := resp.Header.Values("Got-X-Two"); !reflect.DeepEqual(got, []string{"a", "b"}) {
			t.Errorf("X-Two: %q", got)
		}
		// A source that echoes: the real host would put the surrogate back.
		if got := resp.Header.Get("Got-X-Token"); got != "Bearer "+canary {
			t.Error("the host did not put the value into the header")
		}
		if got := resp.Header.Get("Got-Authorization"); got != sallyport.Basic("ada", canary) {
			t.Error("the host did not put the value into Basic authentication")
		}
		return nil
	})
}

// A surrogate in the path, in the query and for the whole address is swapped
// for its value as it is written there, and the list of requests shows none.
func TestSurrogatesInAddresses(t *testing.T) {
	const secret, feed = "a b/c&d=e?f", origin + "/feed/Qx0zPw3mLk9?all=1"
	on := host()
	on.Credentials = map[string]string{"KEY": secret, "FEED": feed}
	var got []string
	on.Source = sallyporttest.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Path+" "+r.URL.Query().Get("key")+" "+r.URL.Query().Get("all"))
	}))
	r := on.Run(func(ctx context.Context, run *sallyport.Run) error {
		c := sallyport.NewClient(run)
		key, err := run.Credential("KEY")
		whole, err2 := run.Credential("FEED")
		for _, address := range []string{origin + "/" + string(key) + "/x", origin + "/x?key=" + string(key) + "&all=0", string(whole), "https://" + string(whole)} {
			resp, e := c.Do(ctx, &sallyport.Request{URL: address})
			if err = errors.Join(err, e); e == nil {
				_ = resp.Body.Close()
			}
		}
		return errors.Join(err, err2)
	})
	succeeded(t, r)
	if want := []string{"/" + secret + "/x  ", "/x " + secret + " 0", "/feed/Qx0zPw3mLk9  1", "/feed/Qx0zPw3mLk9  1"}; !slices.Equal(got, want) {
		t.Errorf("the source got %q, want %q", got, want)
	}
	if shown := strings.Join(r.Requests, "\n"); strings.Contains(shown, "Qx0zPw") || strings.Count(shown, "sp1") != 4 {
		t.Errorf("the requests are shown as %q", shown)
	}
}

func TestRefusals(t *testing.T) {
	on := host()
	on.Source = sallyporttest.Handler(source())
	r := on.Run(func(ctx context.Context, run *sallyport.Run) error {
		c := sallyport.NewClient(run)
		token, _ := run.Credential("API_TOKEN")
		_, err := c.Do(ctx, &sallyport.Request{Method: "POST", URL: origin + "/echo?n=1", Body: []byte("key=" + string(token))})
		if !errors.Is(err, sallyport.ErrLeakBlocked) || err.Error() != "POST "+origin+"/echo: blocked: a credential would have leaked" {
			t.Errorf("a surrogate in the body: %v", err)
		}
		for _, address := range []string{"https://" + string(token) + ".example/", origin + "/#" + string(token)} {
			if _, err := c.Do(ctx, &sallyport.Request{URL: address}); !errors.Is(err, sallyport.ErrLeakBlocked) {
				t.Errorf("a surrogate in %s: %v", strings.ReplaceAll(address, string(token), "…"), err)
			}
		}
		return nil
	})
	if want := []string{"POST: a surrogate in the body", "GET: a surrogate in the host name", "GET: a surrogate in the fragment"}; !slices.Equal(r.Problems, want) {
		t.Errorf("problems %q, want %q", r.Problems, want)
	}
	nobody := host().Run(func(ctx context.Context, run *sallyport.Run) error {
		_, err := sallyport.NewClient(run).Do(ctx, &sallyport.Request{URL: origin})
		return err
	})
	if nobody.Done.Code != "source_unavailable" || nobody.Done.Message != "GET "+origin+": unavailable" {
		t.Errorf("a source that cannot be reached: %+v", nobody.Done)
	}
}

func TestErr(t *testing.T) {
	client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		for code, want := range map[int]error{401: sallyport.ErrRejected, 429: sallyport.ErrRateLimited, 500: sallyport.ErrUnavailable, 404: nil} {
			resp, err := c.Do(ctx, &sallyport.Request{URL: fmt.Sprintf("%s/status/%d?secret", origin, code)})
			if err != nil {
				return err
			}
			resp.Body.Close()
			err = resp.Err()
			if err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%d: %v", code, err)
			}
		}
		return nil
	})
}

func TestLargeBodies(t *testing.T) {
	const size = 3 << 20
	client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		resp, err := c.Do(ctx, &sallyport.Request{Method: "PUT", URL: origin + "/sum", BodyReader: io.LimitReader(zeros{}, size)})
		if err != nil {
			return err
		}
		if got, want := text(t, resp), fmt.Sprintf("%d %x", size, sha256.Sum256(make([]byte, size))); got != want {
			t.Errorf("uploaded %s, want %s", got, want)
		}
		resp, err = c.Do(ctx, &sallyport.Request{URL: origin + "/large"})
		if err != nil {
			return err
		}
		if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, make([]byte, 1<<20)) {
			t.Errorf("read %d bytes, %v", len(b), err)
		}
		if resp, err = c.Do(ctx, &sallyport.Request{URL: origin + "/large"}); err != nil {
			return err
		}
		if _, err := resp.Bytes(1<<20 - 1); !errors.Is(err, sallyport.ErrTooLarge) {
			t.Errorf("a body past its bound: %v", err)
		}
		return nil
	})
}

func TestUploadThatFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		body := io.MultiReader(strings.NewReader("begun"), errReader{broken})
		if _, err := c.Do(ctx, &sallyport.Request{Method: "PUT", URL: origin + "/sum", BodyReader: body}); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		if _, err := c.Do(ctx, &sallyport.Request{Method: "PUT", URL: origin + "/sum", BodyReader: idle{}}); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("a reader that gives nothing: %v", err)
		}
		// A source that answers without reading is no failure.
		resp, err := c.Do(ctx, &sallyport.Request{Method: "PUT", URL: origin + "/status/413", BodyReader: io.LimitReader(zeros{}, 1<<20)})
		if err != nil || resp.StatusCode != 413 {
			t.Errorf("%v", err)
			return err
		}
		return resp.Body.Close()
	})
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestContextEndsAnExchange(t *testing.T) {
	gone := errors.New("no longer wanted")
	client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		waiting, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		time.AfterFunc(time.Millisecond, func() { cancel(gone) })
		if _, err := c.Do(waiting, &sallyport.Request{URL: origin + "/hang"}); !errors.Is(err, gone) {
			t.Errorf("while waiting for the head: %v", err)
		}
		if _, err := c.Do(waiting, &sallyport.Request{URL: origin + "/echo"}); !errors.Is(err, gone) {
			t.Errorf("before sending: %v", err)
		}
		reading, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		resp, err := c.Do(reading, &sallyport.Request{URL: origin + "/head-then-hang"})
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			return err
		}
		cancel(gone)
		if _, err := resp.Body.Read(make([]byte, 5)); !errors.Is(err, gone) {
			t.Errorf("while reading: %v", err)
		}
		_, err = c.Do(ctx, &sallyport.Request{URL: origin + "/hang", Timeout: 5 * time.Millisecond})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("past its timeout: %v", err)
		}
		return nil
	})
}

func TestCloseEndsAnExchange(t *testing.T) {
	client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		resp, err := c.Do(ctx, &sallyport.Request{URL: origin + "/head-then-hang"})
		if err != nil {
			return err
		}
		if err := errors.Join(resp.Body.Close(), resp.Body.Close()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := resp.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("Read after Close: %v", err)
		}
		return nil
	})
}

// TestRequestsOverlap: each request is answered only once all have come.
func TestRequestsOverlap(t *testing.T) {
	const n = 8
	var all sync.WaitGroup
	all.Add(n)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Done()
		all.Wait()
	})
	client(t, h, func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		g := sallyport.NewGroup(ctx, n)
		for range n {
			g.Go(func(ctx context.Context) error {
				resp, err := c.Do(ctx, &sallyport.Request{URL: origin})
				if err != nil {
					return err
				}
				return resp.Body.Close()
			})
		}
		return g.Wait()
	})
}

func TestRedirects(t *testing.T) {
	r := client(t, source(), func(ctx context.Context, c *sallyport.Client, run *sallyport.Run) error {
		ask := func(method, path string) (*sallyport.Response, error) {
			resp, err := c.Do(ctx, &sallyport.Request{Method: method, URL: origin + path, Body: []byte("b"),
				Header: sallyport.Header{"Content-Type": {"text/plain"}, "X-Kept": {"yes"}}})
			if err == nil {
				resp.Body.Close()
			}
			return resp, err
		}
		if resp, err := ask("PROPFIND", "/to/301?at=/echo"); err != nil || resp.StatusCode != 301 {
			t.Errorf("followed without being asked to: %v", err)
		}
		c.CheckRedirect = sallyport.FollowRedirects(2)
		for _, want := range []struct{ method, path, got string }{
			{"PROPFIND", "/to/301?at=/echo", "PROPFIND"},
			{"POST", "/to/302?at=..", "404"},
			{"POST", "/to/302?at=../echo%23frag", "GET"},
			{"PUT", "/to/303?at=" + origin + "/echo", "GET"},
			{"PUT", "/to/308?at=/echo", "PUT"},
			{"PUT", "/to/308?at=", "308"},
			{"GET", "/to/300?at=/echo", "300"},
			{"GET", "/to/301?at=/to/302%3Fat=/echo", "GET"},
		} {
			resp, err := ask(want.method, want.path)
			if err != nil {
				t.Errorf("%s: %v", want.path, err)
				continue
			}
			got := resp.Header.Get("Got-Method")
			if got == "" {
				got = fmt.Sprint(resp.StatusCode)
			} else if resp.Header.Get("Got-X-Kept") != "yes" || (got == "GET" && want.method != "GET") != (resp.Header.Get("Got-Content-Type") == "") {
				t.Errorf("%s: headers %v", want.path, resp.Header)
			}
			if got != want.got {
				t.Errorf("%s %s: %s, want %s", want.method, want.path, got, want.got)
			}
		}
		if _, err := ask("GET", "/to/301?at=/to/301%3Fat=/to/301%253Fat=/echo"); err == nil || !strings.Contains(err.Error(), "more than 2 redirects") {
			t.Errorf("three redirects: %v", err)
		}
		if _, err := ask("GET", "/to/301?at=http://notes.example/echo"); err == nil || !strings.Contains(err.Error(), "to http") {
			t.Errorf("a redirect to http: %v", err)
		}
		c.CheckRedirect = func(*sallyport.Request, []*sallyport.Request) error { return sallyport.ErrUseResponse }
		if resp, err := ask("GET", "/to/301?at=/echo"); err != nil || resp.StatusCode != 301 {
			t.Errorf("ErrUseResponse: %v", err)
		}
		return nil
	})
	if len(r.Requests) == 0 || r.Requests[0] != "PROPFIND "+origin+"/to/301?at=/echo" {
		t.Errorf("requests %q", r.Requests)
	}
}

func TestHandlesAreBounded(t *testing.T) {
	on := host()
	on.Source = sallyporttest.Handler(source())
	r := on.Run(func(ctx context.Context, run *sallyport.Run) error {
		c := sallyport.NewClient(run)
		for {
			if _, err := c.Do(ctx, &sallyport.Request{URL: origin + "/head-then-hang"}); err != nil {
				return err
			}
		}
	})
	if r.Open != 64 || r.Done.Code != "limit_exceeded" {
		t.Errorf("%d open, %+v", r.Open, r.Done)
	}
}

func TestHeader(t *testing.T) {
	h := sallyport.Header{}
	h.Set("content-TYPE", "a")
	h.Add("Content-Type", "b")
	h.Set("x-API-key", "k")
	h.Set("bad name", "kept as it is")
	want := sallyport.Header{"Content-Type": {"a", "b"}, "X-Api-Key": {"k"}, "bad name": {"kept as it is"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("%v", h)
	}
	h.Del("CONTENT-type")
	if h.Get("Content-Type") != "" || h.Get("X-API-KEY") != "k" {
		t.Errorf("%v", h)
	}
	for _, name := range []string{"etag", "WWW-Authenticate", "x--y", "", "ß", "dav"} {
		h := sallyport.Header{}
		h.Set(name, "v")
		if http.Header(h).Get(name) != "v" {
			t.Errorf("%q is canonical otherwise than in net/http: %v", name, h)
		}
	}
}
