package dav_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/carddav"

	"github.com/sallyport-host/sallyport/e2e/internal/dav"
)

const card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ada\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;;;\r\nEND:VCARD\r\n"

func TestServesWhatWasPut(t *testing.T) {
	s, err := dav.Start("alice", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put("ada.vcf", card); err != nil {
		t.Fatal(err)
	}
	client, err := carddav.NewClient(webdav.HTTPClientWithBasicAuth(http.DefaultClient, "alice", "right"), s.URL("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	query := &carddav.AddressBookQuery{DataRequest: carddav.AddressDataRequest{AllProp: true}}
	found, err := client.QueryAddressBook(t.Context(), dav.Book, query)
	if err != nil || len(found) != 1 || found[0].Card.Value("FN") != "Ada Lovelace" {
		t.Fatalf("the book holds %v, %v", found, err)
	}
	before := found[0].ETag
	if err := s.Put("ada.vcf", card[:len(card)-len("END:VCARD\r\n")]+"NOTE:x\r\nEND:VCARD\r\n"); err != nil {
		t.Fatal(err)
	}
	if found, err = client.QueryAddressBook(t.Context(), dav.Book, query); err != nil || found[0].ETag == before {
		t.Errorf("a changed card has the same etag: %v", err)
	}
	s.Delete("ada.vcf")
	if found, err = client.QueryAddressBook(t.Context(), dav.Book, query); err != nil || len(found) != 0 {
		t.Errorf("after the delete the book holds %v, %v", found, err)
	}
}

func TestCountsAndRefuses(t *testing.T) {
	s, err := dav.Start("alice", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for password, want := range map[string]int{"right": http.StatusNotFound, "wrong": http.StatusUnauthorized} {
		r, _ := http.NewRequest("GET", s.URL("127.0.0.1")+dav.Book+"none.vcf", nil)
		r.SetBasicAuth("alice", password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("with the %s password: %s", password, resp.Status)
		}
	}
	if got, want := s.Counts(), (dav.Counts{Requests: 2, Allowed: 1, Refused: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestHold(t *testing.T) {
	s, err := dav.Start("alice", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	arrived, release := s.Hold()
	done := make(chan error, 1)
	go func() {
		resp, err := http.Get(s.URL("127.0.0.1"))
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	<-arrived
	select {
	case <-done:
		t.Error("a held request was answered")
	default:
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTap(t *testing.T) {
	s, err := dav.Start("alice", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var seen []byte // of the one request; read after its answer
	s.Tap(func(request []byte) { seen = request })
	resp, err := http.Post(s.URL("127.0.0.1")+"/x?query", "text/plain", strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for _, want := range []string{"POST /x?query", "Content-Type: text/plain", "the body"} {
		if !strings.Contains(string(seen), want) {
			t.Errorf("the tap did not see %q in %q", want, seen)
		}
	}
}
