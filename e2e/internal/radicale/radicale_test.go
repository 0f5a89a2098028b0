package radicale_test

import (
	"net/http"
	"testing"

	"github.com/emersion/go-webdav"
	"github.com/emersion/go-webdav/carddav"

	"github.com/sallyport-host/sallyport/e2e/internal/radicale"
)

func TestRadicale(t *testing.T) {
	s := radicale.Start(t, "alice", "right")
	s.Put("ada.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ada\r\nFN:Ada\r\nN:;Ada;;;\r\nEND:VCARD\r\n")

	list := func(password string) (int, error) {
		client, err := carddav.NewClient(webdav.HTTPClientWithBasicAuth(http.DefaultClient, "alice", password), s.URL("127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		found, err := client.QueryAddressBook(t.Context(), s.Book, &carddav.AddressBookQuery{})
		return len(found), err
	}
	if n, err := list("right"); n != 1 || err != nil {
		t.Errorf("the book holds %d cards, %v", n, err)
	}
	before := s.Requests()
	if before == 0 {
		t.Error("the proxy counted nothing")
	}
	s.Delete("ada.vcf")
	if s.Requests() != before {
		t.Error("the test's own requests are counted")
	}
	s.SetPassword("changed")
	if _, err := list("right"); err == nil {
		t.Error("the old password still opens")
	}
	if n, err := list("changed"); n != 0 || err != nil {
		t.Errorf("after the delete the book holds %d cards, %v", n, err)
	}
}
