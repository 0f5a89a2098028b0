package e2e_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// oneBook serves an address book of cards, by name, in as few words as the
// connector needs.
func oneBook(cards map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		w.WriteHeader(207)
		fmt.Fprint(w, `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">`)
		answer := func(href, props string) {
			fmt.Fprintf(w, `<d:response><d:href>%s</d:href><d:propstat><d:prop>%s</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`, href, props)
		}
		if r.Method == "PROPFIND" {
			answer("/book/", `<d:resourcetype><d:collection/><c:addressbook/></d:resourcetype>`)
		}
		for name, text := range cards {
			switch href := "/book/" + name; {
			case r.Method == "PROPFIND" && r.Header.Get("Depth") == "1":
				answer(href, `<d:getetag>"1"</d:getetag>`)
			case strings.Contains(string(asked), "<href>"+href+"</href>"):
				answer(href, `<d:getetag>"1"</d:getetag><c:address-data>`+text+`</c:address-data>`)
			}
		}
		fmt.Fprint(w, `</d:multistatus>`)
	})
}

// served is a mailbox whose source is h.
func served(t *testing.T, h http.Handler) *mailbox {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	at := netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://"))
	w := newWorld(t.Context(), t, at, nil)
	m := &mailbox{world: w, connector: w.load("contacts")}
	base := url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", source, at.Port()), Path: "/book/"}
	w.approve(m.connector, options(m.connector.Manifest(), base.String()))
	w.put(m.connector, "ACCOUNT", "alice")
	w.put(m.connector, "APP_PASSWORD", "Canary-right-4Tq9")
	return m
}

// each is a sink that hands on what comes.
type each func(host.Message)

var _ host.Sink = each(nil)

func (f each) Write(_ context.Context, m host.Message) error { f(m); return nil }
func (f each) Flush(context.Context) error                   { return nil }

// TestContactWithALargePhotograph: one that no record can hold fits the guest's
// memory, does not fail the run, and is said to be missing.
func TestContactWithALargePhotograph(t *testing.T) {
	card := func(name string, photo int) string {
		return "BEGIN:VCARD\nVERSION:3.0\nUID:" + name + "\nFN:" + name + "\nPHOTO;ENCODING=b;TYPE=JPEG:" +
			base64.StdEncoding.EncodeToString(make([]byte, photo)) + "\nEND:VCARD\n"
	}
	cards := map[string]string{"huge.vcf": card("huge", 9<<20), "large.vcf": card("large", 1<<20)}
	want := []string{"huge", "large"}
	m := served(t, oneBook(cards))
	var got, gaps []string
	result, err := m.host.Run(t.Context(), m.connector, host.RunOptions{Unattended: true, Sink: each(func(msg host.Message) {
		switch line := string(msg.Line); {
		case msg.Type == abi.TypeDetailGap:
			gaps = append(gaps, line)
		case msg.Stream == "contacts":
			_, name, _ := strings.Cut(line, `"display_name":"`)
			name, _, _ = strings.Cut(name, `"`)
			got = append(got, name)
			if photo := len(line) > 1<<20; photo == (name == "huge") {
				t.Errorf("%s came with a photograph: %v", name, photo)
			}
		}
	})})
	if err != nil {
		t.Fatalf("%v: %s", err, asJSON(t, result))
	}
	if !slices.Equal(got, want) {
		t.Errorf("came %q, want %q", got, want)
	}
	if len(gaps) != 1 || !strings.Contains(gaps[0], `huge.vcf"`) || !strings.Contains(gaps[0], `"photo_base64"`) {
		t.Errorf("gaps %q", gaps)
	}
}

// TestContactsFromAServerWithoutBasic: that is the server's lack, and the
// password stays what it was.
func TestContactsFromAServerWithoutBasic(t *testing.T) {
	m := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Digest realm="contacts", nonce="x"`)
		w.WriteHeader(401)
	}))
	result, _, err := m.collect()
	if err == nil || result.Done.Error == nil || result.Done.Error.Code != "unsupported_authentication" {
		t.Errorf("it ended as %s, %v", asJSON(t, result.Done), err)
	}
	if status := m.stored(m.connector, "APP_PASSWORD").Status; status != vaultstore.Active || len(result.Rejected) > 0 {
		t.Errorf("the password is stored as %s, rejected %q", status, result.Rejected)
	}
}
