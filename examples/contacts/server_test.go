package main

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const (
	origin   = "https://dav.example"
	bookURL  = origin + "/ada@x/friends/"
	password = "CANARY-31c2d8" // the connector never has it
)

// server is a CardDAV server of one account, with two address books at most.
type server struct {
	sync      bool // has sync-collection
	page      int  // cuts lists of changes to that many; 0 does not
	wellKnown string

	mu       sync.Mutex
	books    map[string]string // path to display name
	cards    map[string]string // path to text
	changed  []string          // paths, in the order of their changes; a token is an index
	forgot   int               // tokens below are forgotten
	asked    []string          // methods and paths
	reported int               // cards that were given out
}

func newServer() *server {
	return &server{sync: true, wellKnown: "/dav", books: map[string]string{"/ada@x/friends/": "Friends"}, cards: map[string]string{}}
}

func (s *server) put(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := "/ada@x/friends/" + name
	s.cards[path] = text
	s.changed = append(s.changed, path)
}

func (s *server) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := "/ada@x/friends/" + name
	delete(s.cards, path)
	s.changed = append(s.changed, path)
}

func (s *server) host(streams ...string) sallyporttest.Host {
	if len(streams) == 0 {
		streams = []string{booksStream, contactsStream, groupsStream}
	}
	return sallyporttest.Host{
		Streams: streams, Options: map[string]any{"base_url": origin},
		Credentials: map[string]string{passwordName: password}, Identities: map[string]string{accountName: "ada"},
		Source: sallyporttest.Handler(s),
	}
}

// run runs the connector and keeps its state in h.
func run(t *testing.T, h *sallyporttest.Host) *sallyporttest.Result {
	t.Helper()
	r := h.Run(collect)
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 || r.Open > 0 {
		t.Fatalf("ended as %+v, problems %q, %d open", r.Done, r.Problems, r.Open)
	}
	h.State = r.State
	return r
}

// summary is a run's records in short: "+contacts a.vcf", "-contact_groups x".
func summary(r *sallyporttest.Result) []string {
	out := []string{}
	for _, rec := range r.Records {
		sign := "+"
		if rec.Delete {
			sign = "-"
		}
		out = append(out, sign+rec.Stream+" "+strings.TrimPrefix(rec.Key[0], bookURL))
	}
	return out
}

func expect(t *testing.T, r *sallyporttest.Result, want ...string) {
	t.Helper()
	if got := summary(r); !slices.Equal(got, want) {
		t.Errorf("records\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func card(lines ...string) string {
	return "BEGIN:VCARD\r\nVERSION:3.0\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCARD\r\n"
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, pass, _ := r.BasicAuth()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	switch {
	case user != "ada" || pass != password:
		w.WriteHeader(401)
	case r.URL.Path == "/.well-known/carddav" && s.wellKnown != "":
		http.Redirect(w, r, s.wellKnown, http.StatusMovedPermanently)
	case r.Method == "PROPFIND":
		s.propfind(w, r.URL.Path, r.Header.Get("Depth"))
	case r.Method == "REPORT":
		s.report(w, r)
	default:
		w.WriteHeader(405)
	}
}

// multistatus begins an answer; what it returns ends it.
func multistatus(w http.ResponseWriter) func() {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(207)
	fmt.Fprint(w, xml.Header+`<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">`)
	return func() { fmt.Fprint(w, `</d:multistatus>`) }
}

func found(w http.ResponseWriter, path, props string) {
	fmt.Fprintf(w, `<d:response><d:href>%s</d:href><d:propstat><d:prop>%s</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>`+
		`<d:propstat><d:prop><d:quota/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>`, path, props)
}

func (s *server) propfind(w http.ResponseWriter, path, depth string) {
	_, isBook := s.books[path]
	switch {
	case path == "/dav" || path == "/dav/":
		defer multistatus(w)()
		found(w, "/dav", `<d:resourcetype><d:collection/></d:resourcetype><d:current-user-principal><d:href>/principals/ada/</d:href></d:current-user-principal>`)
	case path == "/principals/ada/":
		defer multistatus(w)()
		found(w, path, `<c:addressbook-home-set><d:href>/ada%40x/</d:href></c:addressbook-home-set>`) // escaped otherwise than the books
	case path == "/ada@x/" && depth == "1":
		defer multistatus(w)()
		found(w, path, `<d:resourcetype><d:collection/></d:resourcetype>`)
		for _, book := range slices.Sorted(maps.Keys(s.books)) {
			found(w, strings.TrimSuffix(book, "/"), s.bookProps(book)) // some servers leave out the slash
		}
	case isBook && depth == "0":
		defer multistatus(w)()
		found(w, path, s.bookProps(path))
	case isBook:
		defer multistatus(w)()
		found(w, path, `<d:resourcetype><d:collection/></d:resourcetype>`)
		for _, name := range slices.Sorted(maps.Keys(s.cards)) {
			if strings.HasPrefix(name, path) {
				found(w, name, `<d:getetag>`+etag(s.cards[name])+`</d:getetag><d:resourcetype/>`)
			}
		}
	default:
		w.WriteHeader(404)
	}
}

func (s *server) bookProps(path string) string {
	props := `<d:resourcetype><d:collection/><c:addressbook/></d:resourcetype><d:displayname>` + s.books[path] + `</d:displayname>`
	if s.sync {
		props += `<d:supported-report-set><d:supported-report><d:report><d:sync-collection/></d:report></d:supported-report></d:supported-report-set>`
	}
	return props
}

func etag(text string) string { return `"` + digest(text) + `"` }

// query is the body of either report.
type query struct {
	XMLName xml.Name
	Token   string   `xml:"DAV: sync-token"`
	Hrefs   []string `xml:"DAV: href"`
}

func (s *server) report(w http.ResponseWriter, r *http.Request) {
	var q query
	if err := xml.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(400)
		return
	}
	switch q.XMLName.Local {
	case "addressbook-multiget":
		defer multistatus(w)()
		for _, href := range q.Hrefs {
			text, ok := s.cards[href]
			if !ok {
				fmt.Fprintf(w, `<d:response><d:href>%s</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>`, href)
				continue
			}
			s.reported++
			var quoted strings.Builder
			xml.EscapeText(&quoted, []byte(text))
			found(w, href, `<d:getetag>`+etag(text)+`</d:getetag><c:address-data>`+quoted.String()+`</c:address-data>`)
		}
	case "sync-collection":
		s.changes(w, r.URL.Path, q.Token)
	}
}

// changes answers sync-collection: tokens are "urn:n", n changes seen.
func (s *server) changes(w http.ResponseWriter, path, token string) {
	since := 0
	if token != "" {
		if _, err := fmt.Sscanf(token, "urn:%d", &since); err != nil || since < s.forgot || since > len(s.changed) || !s.sync {
			w.WriteHeader(403)
			return
		}
	}
	until := len(s.changed)
	if s.page > 0 {
		until = min(until, since+s.page)
	}
	defer multistatus(w)()
	seen := map[string]bool{}
	for _, name := range s.changed[since:until] {
		if seen[name] || !strings.HasPrefix(name, path) {
			continue
		}
		seen[name] = true
		if text, ok := s.cards[name]; ok {
			found(w, name, `<d:getetag>`+etag(text)+`</d:getetag>`)
		} else if token != "" {
			fmt.Fprintf(w, `<d:response><d:href>%s</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>`, name)
		}
	}
	if until < len(s.changed) {
		fmt.Fprintf(w, `<d:response><d:href>%s</d:href><d:status>HTTP/1.1 507 Insufficient Storage</d:status></d:response>`, path)
	}
	fmt.Fprintf(w, `<d:sync-token>urn:%d</d:sync-token>`, until)
}
