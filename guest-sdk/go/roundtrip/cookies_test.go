package roundtrip_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/roundtrip"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// TestCookieJar: net/http's jar works over the transport, with cookies whose
// values it never has.
func TestCookieJar(t *testing.T) {
	const session = "canary-session"
	var got []string
	h := sallyporttest.Host{
		Streams:  []string{"notes"},
		Captured: map[string]string{"SESSION": session},
		Source: sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = append(got, r.Header.Get("Cookie"))
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: session, Path: "/", HttpOnly: true, Secure: true})
			http.SetCookie(w, &http.Cookie{Name: "lang", Value: "en", Path: "/"})
		})),
	}
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		client := &http.Client{Transport: roundtrip.New(run), Jar: jar}
		for range 2 {
			req, err := http.NewRequestWithContext(ctx, "GET", "https://a.example/", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			if cookies := resp.Header.Values("Set-Cookie"); len(cookies) != 2 || strings.Contains(strings.Join(cookies, ""), session) {
				t.Errorf("%d cookies, or one with its value", len(cookies))
			}
			if err := resp.Body.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if r.Done.Status != abi.Succeeded {
		t.Fatalf("%+v", r.Done)
	}
	if len(got) != 2 || got[0] != "" || got[1] != "sid="+session+"; lang=en" {
		t.Errorf("the source got %d requests, and not the cookies that it set", len(got))
	}
}
