package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// within runs the connector with cursors of at most that many bytes.
func within(t *testing.T, h *sallyporttest.Host, most int) *sallyporttest.Result {
	t.Helper()
	r := h.Run(func(ctx context.Context, run *sallyport.Run) error { return collectWithin(ctx, run, most) })
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 || r.Open > 0 {
		t.Fatalf("ended as %+v, problems %q, %d open", r.Done, r.Problems, r.Open)
	}
	for stream, raw := range r.State {
		if stream != booksStream && len(raw) > most {
			t.Errorf("the cursor of %s has %d bytes, of %d", stream, len(raw), most)
		}
	}
	h.State = r.State
	return r
}

// crowd is a server with many people, every tenth in a category, and a group.
func crowd() *server {
	s := filled()
	for i := range 300 {
		lines := []string{fmt.Sprintf("UID:u-%d", i), fmt.Sprintf("FN:Person %d", i)}
		if i%10 == 0 {
			lines = append(lines, fmt.Sprintf("CATEGORIES:Room %d", i%50))
		}
		s.put(fmt.Sprintf("%s-%04d.vcf", digest(fmt.Sprint(i)), i), card(lines...))
	}
	return s
}

// steps are sizes of a cursor for which a crowd's is kept by each step.
var steps = []struct {
	name     string
	contacts int // bytes
	groups   int
	kept     func(p *progress) bool
}{
	{"whole", maxCursor, maxCursor, func(p *progress) bool { return p.Cards != nil && p.Packed == nil }},
	{"packed", 10_000, 11_000, func(p *progress) bool { return p.Packed != nil && p.Hashed == nil }},
	{"hashed", 5_000, 7_000, func(p *progress) bool { return len(p.Hashed) > 300*hashBytes && p.Cards == nil }},
	{"short", 1_000, 1_000, func(p *progress) bool { return p.Forgot && !p.Lost && p.Hashed == nil && p.Packed == nil }},
}

func kept(t *testing.T, r *sallyporttest.Result, stream string) *progress {
	t.Helper()
	var c cursor
	if err := json.Unmarshal(r.State[stream], &c); err != nil || c.Books[bookURL] == nil {
		t.Fatalf("no cursor of %s: %v", stream, err)
	}
	return c.Books[bookURL]
}

func skips(t *testing.T, r *sallyporttest.Result, reason string) (messages []string) {
	t.Helper()
	for _, raw := range r.Skips {
		var s sallyport.Skip
		if err := json.Unmarshal(raw, &s); err != nil || s.Reason != reason {
			t.Errorf("skip %s, %v, want the reason %s", raw, err, reason)
		}
		messages = append(messages, s.Message)
	}
	return messages
}

// However little of it is kept, a run from the cursor of contacts collects
// what has changed, and deletes what it can know to be gone or says that it
// cannot.
func TestContactsOfLargeBooks(t *testing.T) {
	for _, step := range steps {
		for _, sync := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, sync=%v", step.name, sync), func(t *testing.T) {
				s := crowd()
				s.sync = sync
				h := s.host(contactsStream)
				r := within(t, &h, step.contacts)
				if p := kept(t, r, contactsStream); !step.kept(p) {
					t.Fatalf("kept otherwise: %.300s", r.State[contactsStream])
				}
				blind := step.name == "short" && !sync
				if !blind { // nothing has changed
					r := within(t, &h, step.contacts)
					expect(t, r)
					if len(r.Skips) > 0 || len(r.Saved) > 0 {
						t.Errorf("skips %s, saved %q", r.Skips, r.Saved)
					}
				}
				s.remove(ada)
				s.put(grace, card("UID:u-grace", "FN:Grace H"))
				r = within(t, &h, step.contacts)
				told := skips(t, r, deletionsUnknown)
				switch {
				case blind:
					if len(r.Records) != 301+1 || len(told) != 1 || !strings.Contains(told[0], "cannot list deletions") || !strings.Contains(told[0], "all of them") {
						t.Errorf("%d records, skips %q", len(r.Records), told)
					}
				case step.name == "hashed" && !sync:
					expect(t, r, "+contacts grace.vcf")
					if len(told) != 1 || !strings.Contains(told[0], "1 that were deleted") {
						t.Errorf("skips %q", told)
					}
				default:
					expect(t, r, "-contacts ada.vcf", "+contacts grace.vcf")
					if len(told) > 0 {
						t.Errorf("skips %q", told)
					}
				}
			})
		}
	}
}

// The same when the server has forgotten its token.
func TestLargeBookAndForgottenToken(t *testing.T) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			s := crowd()
			h := s.host(contactsStream)
			within(t, &h, step.contacts)
			s.put("new.vcf", card("FN:New"))
			s.forgot = len(s.changed)
			r := within(t, &h, step.contacts)
			if step.name == "short" {
				if told := skips(t, r, deletionsUnknown); len(told) != 1 || !strings.Contains(told[0], "no longer knows") || len(r.Records) != 303+1 {
					t.Errorf("%d records, skips %q", len(r.Records), told)
				}
				return
			}
			expect(t, r, "+contacts new.vcf")
			if len(r.Skips) > 0 {
				t.Errorf("nobody was deleted, and skips %s", r.Skips)
			}
		})
	}
}

// Groups come out right whatever is kept: they are read anew where need be.
func TestGroupsOfLargeBooks(t *testing.T) {
	for _, step := range steps {
		for _, sync := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, sync=%v", step.name, sync), func(t *testing.T) {
				s := crowd()
				s.sync = sync
				h := s.host(groupsStream)
				r := within(t, &h, step.groups)
				if p := kept(t, r, groupsStream); !step.kept(p) {
					t.Fatalf("kept otherwise: %.300s", r.State[groupsStream])
				}
				expect(t, within(t, &h, step.groups))
				s.remove(team)
				s.put(ada, card("UID:u-ada", "FN:Ada", "CATEGORIES:Work,New"))
				r = within(t, &h, step.groups)
				expect(t, r, "+contact_groups #category=New", "-contact_groups #category=Math", "-contact_groups team.vcf")
				if len(r.Skips) > 0 {
					t.Errorf("skips %s", r.Skips)
				}
				s.forgot = len(s.changed)
				s.remove(grace)
				expect(t, within(t, &h, step.groups), "+contact_groups #category=Work")
			})
		}
	}
}

// To read the groups anew does not cost the contacts their token.
func TestContactsBesideGroupsThatAreReadAnew(t *testing.T) {
	s := crowd()
	h := s.host(contactsStream, groupsStream)
	within(t, &h, 1_000)
	expect(t, within(t, &h, 1_000))
	s.remove(ada)
	r := within(t, &h, 1_000)
	expect(t, r, "-contacts ada.vcf", "+contact_groups #category=Work", "-contact_groups #category=Math")
	if len(r.Skips) > 0 {
		t.Errorf("skips %s", r.Skips)
	}
}

func TestMoreGroupsThanCanBeKept(t *testing.T) {
	s := crowd()
	h := s.host(groupsStream)
	const most = 300
	if p := kept(t, within(t, &h, most), groupsStream); !p.Lost {
		t.Fatalf("kept %+v", p)
	}
	r := within(t, &h, most)
	if told := skips(t, r, deletionsUnknown); len(told) != 1 || !strings.Contains(told[0], "groups") || len(r.Records) != 5+3 {
		t.Errorf("%q, skips %q", summary(r), told)
	}
}

// An address book that is gone takes its contacts with it, or it is said that
// they cannot be named.
func TestLargeBookThatIsGone(t *testing.T) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			s := crowd()
			s.books["/ada@x/work/"] = "Work"
			h := s.host(contactsStream)
			within(t, &h, step.contacts)
			delete(s.books, "/ada@x/friends/")
			r := within(t, &h, step.contacts)
			told := skips(t, r, deletionsUnknown)
			switch step.name {
			case "whole", "packed":
				if len(r.Records) != 302 || !r.Records[0].Delete || len(told) != 0 {
					t.Errorf("%d records, skips %q", len(r.Records), told)
				}
			default:
				if len(r.Records) != 0 || len(told) != 1 || !strings.Contains(told[0], "/friends/ is gone") {
					t.Errorf("%d records, skips %q", len(r.Records), told)
				}
			}
			r = within(t, &h, step.contacts)
			if expect(t, r); len(r.Skips) > 0 {
				t.Errorf("again: %s", r.Skips)
			}
		})
	}
}

// Only the largest books are shrunk, and no further than need be.
func TestFit(t *testing.T) {
	c := &cursor{Books: map[string]*progress{"small": {Token: "t", Cards: map[string]string{"a": "1"}}, "large": {Token: "t", Cards: map[string]string{}}}}
	for i := range 60_000 {
		c.Books["large"].Cards[fmt.Sprintf("%s-%s.vcf", digest(fmt.Sprint(i)), digest(fmt.Sprint(-i)))] = digest(fmt.Sprint("e", i))
	}
	raw, err := c.fit(maxCursor, false)
	if err != nil || len(raw) > maxCursor {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	var back cursor
	if err := errors.Join(json.Unmarshal(raw, &back), back.unpack()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Books["small"], c.Books["small"]) {
		t.Errorf("the small one became %+v", back.Books["small"])
	}
	large := back.Books["large"]
	if large.Token != "t" || large.Forgot || len(large.hashes) != 60_000 {
		t.Fatalf("the large one knows %d cards", len(large.hashes))
	}
	for name, seen := range c.Books["large"].Cards {
		if value := hashDigest(seen); large.hashes[hashName(name)] != value || !large.mayHaveEmitted(name) {
			t.Fatalf("%s is not known", name)
		}
	}
	if large.mayHaveEmitted("other") || large.has("other", "") {
		t.Error("what was never there is known")
	}
}

// FuzzCursor: any cursor is read or refused; what is read fits, in any size,
// and knows the same or less.
func FuzzCursor(f *testing.F) {
	f.Add(`{"version":1,"books":{"b/":{"token":"t","cards":{"a.vcf":"1","g.vcf":"g:2"},"tagged":{"a.vcf":["u","c"]},"groups":{"g.vcf":["n","u"]}}}}`, 100)
	f.Add(`{"version":1,"books":{"b/":{"token":"t","cards":null}}}`, 10)
	f.Add(`{"version":1,"books":{"b/":{"cards":null,"hashed":"AAAAAAAAAAAAAA==","packed":"A"}}}`, 10)
	f.Fuzz(func(t *testing.T, text string, most int) {
		var c cursor
		if json.Unmarshal([]byte(text), &c) != nil || c.unpack() != nil {
			return
		}
		for _, groups := range []bool{true, false} {
			raw, err := c.fit(most, groups)
			if err != nil {
				t.Fatal(err)
			}
			var back cursor
			if err := errors.Join(json.Unmarshal(raw, &back), back.unpack()); err != nil {
				t.Fatalf("%s: %v", raw, err)
			}
			if got, want := len(missing(back.Books, c.Books)), 0; got != want {
				t.Error("a book more")
			}
			for url, p := range back.Books {
				for name, seen := range p.Cards {
					if c.Books[url].Cards[name] != seen {
						t.Errorf("%s is %s", name, seen)
					}
				}
				if p.Forgot && !slices.Contains([]string{"", c.Books[url].Token}, p.Token) {
					t.Errorf("token %q", p.Token)
				}
			}
		}
	})
}
