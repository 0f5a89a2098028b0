package main

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// body reads a request's body and leaves it to be read again.
func body(r *http.Request) string {
	raw, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return string(raw)
}

// spoiled answers as s does, but where spoil gives another body.
func spoiled(s *server, spoil func(r *http.Request, asked, answer string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := body(r)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, spoil(r, asked, rec.Body.String()))
	})
}

// An answer that leaves something out is no sign that it was deleted: the run
// fails, nothing is reported as gone, and a later run collects what changed.
func TestWhatIsNotDeliveredIsNotDeleted(t *testing.T) {
	multistatus := func(responses string) string {
		return `<d:multistatus xmlns:d="DAV:">` + responses + `</d:multistatus>`
	}
	unavailable := func(href string) string {
		return multistatus(`<d:response><d:href>` + href + `</d:href><d:status>HTTP/1.1 503 Service Unavailable</d:status></d:response>`)
	}
	multiget := func(body string) func(*http.Request, string, string) string {
		return func(_ *http.Request, asked, answer string) string {
			if strings.Contains(asked, "multiget") {
				return body
			}
			return answer
		}
	}
	at := func(path, body string) func(*http.Request, string, string) string {
		return func(r *http.Request, _, answer string) string {
			if r.Method == "PROPFIND" && r.URL.Path == path {
				return body
			}
			return answer
		}
	}
	const bookPath = "/ada@x/friends/"
	for _, c := range []struct {
		name  string
		sync  bool
		spoil func(r *http.Request, asked, answer string) string
	}{
		{"multiget answers 503 for a card", true, multiget(unavailable(bookPath + "a.vcf"))},
		{"multiget leaves a card out", true, multiget(multistatus(""))},
		{"multiget answers nothing", true, multiget("")},
		{"a list that is empty text", false, at(bookPath, "")},
		{"a list of another kind", false, at(bookPath, `<html/>`)},
		{"a list without the book itself", false, at(bookPath, multistatus(""))},
		{"a list with a card that is 503", false, at(bookPath, unavailable(bookPath+"a.vcf"))},
		{"a list of another place", false, func(r *http.Request, _, answer string) string {
			if r.Method == "PROPFIND" && r.URL.Path == bookPath {
				return strings.ReplaceAll(answer, bookPath, "/elsewhere/")
			}
			return answer
		}},
		{"a principal that names no home", true, at("/principals/ada/", multistatus(`<d:response><d:href>/principals/ada/</d:href><d:propstat><d:prop/><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`))},
		{"a home whose book is 503", true, at("/ada@x/", unavailable(bookPath))},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer()
			s.sync = c.sync
			s.put("a.vcf", card("UID:a", "FN:Ada"))
			s.put("b.vcf", card("UID:b", "FN:Bob"))
			h := s.host()
			run(t, &h)
			s.put("a.vcf", card("UID:a", "FN:Ada the second"))
			h.Source = sallyporttest.Handler(spoiled(s, c.spoil))
			r := h.Run(collect)
			if r.Done.Status != "failed" {
				t.Errorf("ended as %+v", r.Done)
			}
			for _, line := range summary(r) {
				if strings.HasPrefix(line, "-") {
					t.Errorf("reported as deleted: %s", line)
				}
			}
			h.Source = sallyporttest.Handler(s)
			if got := summary(run(t, &h)); !slices.Contains(got, "+contacts a.vcf") {
				t.Errorf("the next run collects %q, and not what changed", got)
			}
		})
	}
}

// A list of changes that is cut short, and cannot be gone on with, is not
// asked for without end: all cards are listed instead.
func TestChangesCutShortWithoutEnd(t *testing.T) {
	token := regexp.MustCompile(`<d:sync-token>[^<]*</d:sync-token>`)
	for name, turn := range map[string]string{"no token": "", "a token in circles": "<d:sync-token>urn:1</d:sync-token>", "the same": "<d:sync-token>urn:3</d:sync-token>"} {
		t.Run(name, func(t *testing.T) {
			s := filled()
			h := s.host(contactsStream)
			run(t, &h)
			s.put("new.vcf", card("UID:u-new", "FN:New"))
			s.put("newer.vcf", card("UID:u-newer", "FN:Newer"))
			s.remove(grace)
			s.page, s.asked = 1, nil
			h.Source = sallyporttest.Handler(spoiled(s, func(_ *http.Request, _, answer string) string {
				return token.ReplaceAllString(answer, turn)
			}))
			expect(t, run(t, &h), "-contacts grace.vcf", "+contacts new.vcf", "+contacts newer.vcf")
			if len(s.asked) > 12 {
				t.Errorf("asked %d times: %q", len(s.asked), s.asked)
			}
			expect(t, run(t, &h))
		})
	}
}

// A server that takes no password by HTTP Basic has not refused this one.
func TestServerWithoutBasic(t *testing.T) {
	s := filled()
	h := s.host()
	h.Source = sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("WWW-Authenticate", `Digest realm="x, Basic", nonce="y"`)
		w.Header().Add("WWW-Authenticate", `Negotiate`)
		w.WriteHeader(401)
	}))
	r := h.Run(collect)
	if r.Done.Code != "unsupported_authentication" || r.Done.Recovery != sallyport.ManualActionRequired || r.Done.Retryable {
		t.Errorf("%+v", r.Done)
	}
}

// An empty resource is no card, and fails nothing.
func TestEmptyCard(t *testing.T) {
	s := filled()
	s.put("empty.vcf", "")
	h := s.host(contactsStream)
	r := run(t, &h)
	expect(t, r, "+contacts ada.vcf", "+contacts grace.vcf")
	if told := skips(t, r, string(notVCard)); len(told) != 1 {
		t.Errorf("skips %q", told)
	}
}

// A card's name may have a slash in it.
func TestCardWhoseNameHasASlash(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host(contactsStream)
		s.put("a%2Fb.vcf", card("UID:u-ab", "FN:A/B"))
		expect(t, run(t, &h), "+contacts a%2Fb.vcf", "+contacts ada.vcf", "+contacts grace.vcf")
		s.remove("a%2Fb.vcf")
		expect(t, run(t, &h), "-contacts a%2Fb.vcf")
	})
}

// A server behind a proxy that ends TLS names its resources by http.
func TestHrefsOfAServerBehindAProxy(t *testing.T) {
	s := newServer()
	s.sync = false
	s.put("a.vcf", card("UID:a", "FN:Ada"))
	h := s.host()
	h.Source = sallyporttest.Handler(spoiled(s, func(_ *http.Request, _, answer string) string {
		return strings.ReplaceAll(answer, "<d:href>/", "<d:href>http://dav.example:8080/")
	}))
	if got := summary(run(t, &h)); !slices.Contains(got, "+contacts a.vcf") {
		t.Errorf("collected %q", got)
	}
	if got := summary(run(t, &h)); len(got) > 0 {
		t.Errorf("nothing changed, and the next run collects %q", got)
	}
}
