package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const (
	ada   = "ada.vcf"
	grace = "grace.vcf"
	team  = "team.vcf"
)

// filled is a server with two people, who share a category, and a group.
func filled() *server {
	s := newServer()
	s.put(ada, card("UID:u-ada", "FN:Ada", "CATEGORIES:Math,Work"))
	s.put(grace, card("UID:u-grace", "FN:Grace", "CATEGORIES:Work"))
	s.put(team, card("UID:u-team", "FN:Team", "X-ADDRESSBOOKSERVER-KIND:group", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:u-grace", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:u-ada"))
	return s
}

// kinds are the servers' two ways to tell what has changed.
func kinds(t *testing.T, f func(t *testing.T, s *server)) {
	for _, sync := range []bool{true, false} {
		t.Run(fmt.Sprintf("sync=%v", sync), func(t *testing.T) {
			s := filled()
			s.sync = sync
			f(t, s)
		})
	}
}

func TestFirstRunCollectsEverything(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host()
		r := run(t, &h)
		expect(t, r, "+address_books ", "+contacts ada.vcf", "+contacts grace.vcf",
			"+contact_groups #category=Math", "+contact_groups #category=Work", "+contact_groups team.vcf")
		want := fmt.Sprintf(`{"id":%q,"display_name":"Friends","url":%q,"supports_sync_collection":%v}`, bookURL, bookURL, s.sync)
		if got := string(r.Of(booksStream)[0].Data); got != want {
			t.Errorf("address book %s, want %s", got, want)
		}
		var g group
		if err := json.Unmarshal(r.Of(groupsStream)[2].Data, &g); err != nil || g.Name != "Team" || g.AddressBookURL != bookURL ||
			!slices.Equal(g.MemberUIDs, []string{"u-ada", "u-grace"}) {
			t.Errorf("group %+v, %v", g, err)
		}
	})
}

func TestNothingChanged(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host()
		run(t, &h)
		s.asked, s.reported = nil, 0
		r := run(t, &h)
		expect(t, r)
		if s.reported != 0 || len(r.Saved) != 0 || len(r.Progress) != 0 || len(s.asked) != 5 {
			t.Errorf("read %d cards, saved %q, said %q, asked %q", s.reported, r.Saved, r.Progress, s.asked)
		}
	})
}

func TestChanges(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host()
		run(t, &h)
		s.put("new.vcf", card("UID:u-new", "FN:New"))
		s.put(ada, card("UID:u-ada", "FN:Ada Lovelace", "CATEGORIES:Work"))
		s.remove(grace)
		s.reported = 0
		expect(t, run(t, &h), "-contacts grace.vcf", "+contacts ada.vcf", "+contacts new.vcf",
			"+contact_groups #category=Work", "-contact_groups #category=Math")
		if s.reported != 2 {
			t.Errorf("read %d cards", s.reported)
		}
		s.remove("new.vcf") // and back again before anyone looks
		s.put("new.vcf", card("UID:u-new", "FN:New again"))
		s.remove(team)
		expect(t, run(t, &h), "+contacts new.vcf", "-contact_groups team.vcf")
	})
}

func TestContactBecomesGroupAndBack(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host()
		run(t, &h)
		s.put(ada, card("UID:u-ada", "FN:Adas", "KIND:group", "MEMBER:urn:uuid:u-grace"))
		s.put(team, card("UID:u-team", "FN:Tea M"))
		expect(t, run(t, &h), "-contacts ada.vcf", "+contacts team.vcf",
			"+contact_groups #category=Work", "+contact_groups ada.vcf", "-contact_groups #category=Math", "-contact_groups team.vcf")
		s.remove(ada)
		expect(t, run(t, &h), "-contact_groups ada.vcf")
	})
}

// A server without etags is read whole, or all that it says has changed, and
// what is as it was is not collected again.
func TestServerWithoutETags(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host()
		etags := regexp.MustCompile(`<d:getetag>[^<]*</d:getetag>`)
		h.Source = sallyporttest.Handler(spoiled(s, func(_ *http.Request, _, answer string) string {
			return etags.ReplaceAllString(answer, "")
		}))
		run(t, &h)
		expect(t, run(t, &h))
		s.put(ada, card("UID:u-ada", "FN:Ada Lovelace", "CATEGORIES:Math,Work"))
		s.put(grace, s.cards["/ada@x/friends/"+grace]) // written, and the same
		expect(t, run(t, &h), "+contacts ada.vcf")
		expect(t, run(t, &h))
		s.remove(grace)
		expect(t, run(t, &h), "-contacts grace.vcf", "+contact_groups #category=Work")
	})
}

func TestForgottenToken(t *testing.T) {
	s := filled()
	h := s.host()
	run(t, &h)
	s.remove(grace)
	s.put("new.vcf", card("UID:u-new", "FN:New"))
	s.forgot = len(s.changed)
	s.reported = 0
	expect(t, run(t, &h), "-contacts grace.vcf", "+contacts new.vcf", "+contact_groups #category=Work")
	if s.reported != 1 {
		t.Errorf("read %d cards: what is known was read again", s.reported)
	}
}

func TestChangesCutShort(t *testing.T) {
	s := newServer()
	s.page = 7
	for i := range 50 {
		s.put(fmt.Sprintf("c%02d.vcf", i), card(fmt.Sprintf("UID:u%d", i), "FN:x"))
	}
	h := s.host(contactsStream)
	if r := run(t, &h); len(r.Records) != 50 {
		t.Errorf("%d records", len(r.Records))
	}
	for i := range 50 {
		s.remove(fmt.Sprintf("c%02d.vcf", i))
	}
	r := run(t, &h)
	if len(r.Records) != 50 || !r.Records[49].Delete || r.Records[49].Key[0] != bookURL+"c49.vcf" {
		t.Errorf("%d records", len(r.Records))
	}
}

func TestManyCardsComeInOrder(t *testing.T) {
	s := newServer()
	for i := range 250 {
		s.put(fmt.Sprintf("c%03d.vcf", (i*7)%250), card(fmt.Sprintf("UID:u%d", i), "FN:x"))
	}
	h := s.host(contactsStream)
	r := run(t, &h)
	if got := summary(r); len(got) != 250 || !slices.IsSorted(got) {
		t.Errorf("%d records, not in order", len(got))
	}
	if len(r.Progress) != 5 {
		t.Errorf("progress %q", r.Progress)
	}
}

func TestStreamThatWasLeftOut(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		h := s.host(contactsStream)
		expect(t, run(t, &h), "+contacts ada.vcf", "+contacts grace.vcf")
		s.put(ada, card("UID:u-ada", "FN:Ada", "CATEGORIES:Math"))
		h.Streams = []string{contactsStream, groupsStream}
		expect(t, run(t, &h), "+contacts ada.vcf",
			"+contact_groups #category=Math", "+contact_groups #category=Work", "+contact_groups team.vcf")
		s.put(grace, card("UID:u-grace", "FN:Grace H"))
		h.Streams = []string{groupsStream}
		expect(t, run(t, &h), "-contact_groups #category=Work")
		h.Streams = []string{contactsStream, groupsStream}
		expect(t, run(t, &h), "+contacts grace.vcf")
		expect(t, run(t, &h))
	})
}

func TestFullRefresh(t *testing.T) {
	s := filled()
	h := s.host()
	first := summary(run(t, &h))
	h.Full = true
	if again := summary(run(t, &h)); !slices.Equal(first, again) {
		t.Errorf("again: %q", again)
	}
}

func TestAddressBookThatIsGone(t *testing.T) {
	kinds(t, func(t *testing.T, s *server) {
		s.books["/ada@x/work/"] = "Work"
		h := s.host()
		run(t, &h)
		delete(s.books, "/ada@x/friends/")
		expect(t, run(t, &h), "-address_books ", "-contacts ada.vcf", "-contacts grace.vcf",
			"-contact_groups #category=Math", "-contact_groups #category=Work", "-contact_groups team.vcf")
	})
}

func TestAddressBookThatIsRenamed(t *testing.T) {
	s := filled()
	h := s.host()
	run(t, &h)
	s.books["/ada@x/friends/"] = "Amis"
	expect(t, run(t, &h), "+address_books ")
}

func TestWrongPassword(t *testing.T) {
	s := filled()
	h := s.host()
	h.Credentials = map[string]string{passwordName: "wrong"}
	r := h.Run(collect)
	if r.Done.Status != "failed" || r.Done.Code != "credential_rejected" || r.Done.Recovery != sallyport.RefreshCredentials || r.Done.Retryable {
		t.Errorf("%+v", r.Done)
	}
	if !slices.Equal(r.Rejected, []string{passwordName}) || len(s.asked) != 1 {
		t.Errorf("rejected %q after %q", r.Rejected, s.asked)
	}
}

func TestMissingPassword(t *testing.T) {
	s := filled()
	h := s.host()
	h.Credentials = map[string]string{passwordName: ""}
	if r := h.Run(collect); r.Done.Code != "credential_denied" || r.Done.Message != "use APP_PASSWORD: not found" || len(s.asked) != 0 {
		t.Errorf("%+v after %q", r.Done, s.asked)
	}
}

func TestDiscovery(t *testing.T) {
	for _, c := range []struct{ base, wellKnown string }{
		{origin, "/dav"},
		{origin + "/", origin + "/dav/"},
		{origin + "/dav", ""},
		{origin + "/nowhere/", "/dav"},
		{bookURL, ""},
		{origin + "/ada%40x/friends", ""},
	} {
		s := filled()
		s.wellKnown = c.wellKnown
		if c.base == origin+"/ada%40x/friends" {
			s.books["/ada@x/friends"] = "Friends" // the server forgives a missing slash
			delete(s.books, "/ada@x/friends/")
			s.books["/ada@x/friends/"] = "Friends"
		}
		h := s.host(contactsStream)
		h.Options = map[string]any{"base_url": c.base}
		t.Run(c.base+" "+c.wellKnown, func(t *testing.T) { expect(t, run(t, &h), "+contacts ada.vcf", "+contacts grace.vcf") })
	}
}

func TestNoServerThere(t *testing.T) {
	s := newServer()
	s.wellKnown = ""
	h := s.host()
	r := h.Run(collect)
	want := "no CardDAV server was found: PROPFIND " + origin + "/: the source answered with status 404"
	if r.Done.Message != want || r.Done.Code != "connector_failed" {
		t.Errorf("%+v", r.Done)
	}
	h.Options = map[string]any{"base_url": "nonsense"}
	if r := h.Run(collect); r.Done.Recovery != sallyport.ManualActionRequired {
		t.Errorf("%+v", r.Done)
	}
	h.Options, h.Source = map[string]any{"base_url": origin}, nil
	if r := h.Run(collect); r.Done.Code != "source_unavailable" || !r.Done.Retryable {
		t.Errorf("%+v", r.Done)
	}
}

// What is no card, any more or at all, is said to be skipped; what was
// collected of it before stands.
func TestWhatIsNoCardIsSkipped(t *testing.T) {
	s := filled()
	s.put("broken.vcf", "nonsense")
	s.put("cut.vcf", "BEGIN:VCARD\nFN:Cut")
	h := s.host(contactsStream, groupsStream)
	r := run(t, &h)
	expect(t, r, "+contacts ada.vcf", "+contacts cut.vcf", "+contacts grace.vcf",
		"+contact_groups #category=Math", "+contact_groups #category=Work", "+contact_groups team.vcf")
	if len(r.Skips) != 2 || !strings.Contains(string(r.Skips[0]), "cut.vcf") || !strings.Contains(string(r.Skips[0]), string(truncated)) ||
		!strings.Contains(string(r.Skips[1]), "broken.vcf") || !strings.Contains(string(r.Skips[1]), string(notVCard)) {
		t.Errorf("skips %s", r.Skips)
	}
	s.reported = 0
	expect(t, run(t, &h))
	if s.reported != 0 {
		t.Error("it was read again")
	}
	s.put(ada, "nonsense")
	s.remove("broken.vcf")
	if r = run(t, &h); len(skips(t, r, string(notVCard))) != 1 {
		t.Errorf("skips %s", r.Skips)
	}
	expect(t, r)
	s.remove(ada)
	expect(t, run(t, &h), "-contacts ada.vcf", "+contact_groups #category=Work", "-contact_groups #category=Math")
}

func TestManyFaultsAreOneSkip(t *testing.T) {
	s := newServer()
	for i := range 70 {
		s.put(fmt.Sprintf("c%02d.vcf", i), "nonsense")
	}
	h := s.host(contactsStream)
	told := skips(t, run(t, &h), string(notVCard))
	if len(told) != 1 || !strings.HasPrefix(told[0], "70 in Friends") || !strings.HasSuffix(told[0], "c09.vcf and 60 more") {
		t.Errorf("skips %q", told)
	}
}

func TestScope(t *testing.T) {
	s := filled()
	h := s.host(contactsStream)
	h.Scopes = map[string]sallyport.Scope{contactsStream: {Fields: []string{"display_name"}, Resources: []string{bookURL + ada}}}
	r := run(t, &h)
	want := fmt.Sprintf(`{"addressbook_url":%q,"display_name":"Ada","id":%q}`, bookURL, bookURL+ada)
	if len(r.Records) != 1 || string(r.Records[0].Data) != want {
		t.Errorf("records %s", r.Records[0].Data)
	}
}
