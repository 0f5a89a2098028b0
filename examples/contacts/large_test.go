package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

func photo(bytes int) string {
	return "PHOTO;ENCODING=b;TYPE=JPEG:" + strings.Repeat("QUJD", bytes/4)
}

// A photograph that is too large for a record costs the photograph, not the
// run.
func TestPhotographThatIsTooLarge(t *testing.T) {
	for name, size := range map[string]int{"by far": abi.MaxEmitBytes + 1<<20, "with the rest": abi.MaxEmitBytes - 100} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.put(ada, card("UID:u-ada", "FN:Ada", photo(size)))
			s.put(grace, card("UID:u-grace", "FN:Grace", photo(1000)))
			h := s.host(contactsStream)
			r := run(t, &h)
			expect(t, r, "+contacts ada.vcf", "+contacts grace.vcf")
			var got contact
			if err := json.Unmarshal(r.Records[0].Data, &got); err != nil || !got.HasPhoto || *got.PhotoMediaType != "image/jpeg" || got.PhotoBase64 != nil || *got.DisplayName != "Ada" {
				t.Errorf("%+v, %v", got, err)
			}
			if name != "by far" {
				return
			}
			h.State = nil
			h.Scopes = map[string]sallyport.Scope{contactsStream: {Fields: []string{"display_name"}}}
			expect(t, run(t, &h), "+contacts ada.vcf", "+contacts grace.vcf")
		})
	}
}

// A contact that is too large without a photograph is skipped.
func TestContactThatIsTooLarge(t *testing.T) {
	s := filled()
	s.put(ada, card("UID:u-ada", "FN:Ada", "NOTE:"+strings.Repeat("x", abi.MaxEmitBytes), photo(100)))
	h := s.host(contactsStream)
	r := run(t, &h)
	expect(t, r, "+contacts grace.vcf")
	if told := skips(t, r, string(tooLarge)); len(told) != 1 || !strings.HasSuffix(told[0], ": ada.vcf") {
		t.Errorf("skips %s", r.Skips)
	}
	s.remove(ada)
	expect(t, run(t, &h))
}

// Photographs that do not fit the memory together are read one by one.
func TestManyLargePhotographs(t *testing.T) {
	s := newServer()
	var want []string
	for i := range 5 { // of which two fit
		name := fmt.Sprintf("c%d.vcf", i)
		s.put(name, card(fmt.Sprintf("UID:%d", i), fmt.Sprintf("FN:%d", i), photo(maxHeld/parallel/3)))
		want = append(want, "+contacts "+name)
	}
	h := s.host(contactsStream)
	r := run(t, &h)
	if !slices.Equal(summary(r), want) {
		t.Errorf("records %q", summary(r))
	}
	for i, rec := range r.Records {
		var got contact
		if err := json.Unmarshal(rec.Data, &got); err != nil || *got.DisplayName != fmt.Sprint(i) || got.PhotoBase64 == nil {
			t.Errorf("%d: %v, %v", i, got.DisplayName, err)
		}
	}
	if s.reported <= 5 || s.reported > 10 {
		t.Errorf("%d cards were delivered", s.reported)
	}
}
