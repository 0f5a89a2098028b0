package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// between serves s, and calls f once between a listing and the reading of what
// it listed.
func between(s *server, f func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := body(r)
		if f != nil && strings.Contains(asked, "multiget") {
			f()
			f = nil
		}
		s.ServeHTTP(w, r)
	})
}

// What changes between the listing and the reading, of a card that only one
// stream asked for, is not lost to the other.
func TestChangeBetweenListingAndReading(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *server)
		want   string
	}{
		"changed": {func(s *server) { s.put(ada, card("UID:u-ada", "FN:Ada the second")) }, "+contacts ada.vcf"},
		"deleted": {func(s *server) { s.remove(ada) }, "-contacts ada.vcf"},
	} {
		kinds(t, func(t *testing.T, s *server) {
			t.Run(name, func(t *testing.T) {
				h := s.host(contactsStream)
				run(t, &h)
				h.Streams = []string{contactsStream, groupsStream} // which reads all
				h.Source = sallyporttest.Handler(between(s, func() { c.change(s) }))
				got := strings.Join(summary(run(t, &h)), "\n")
				got += strings.Join(summary(run(t, &h)), "\n")
				if strings.Count(got, c.want) != 1 {
					t.Errorf("no %s in\n%s", c.want, got)
				}
				expect(t, run(t, &h))
			})
		})
	}
}
