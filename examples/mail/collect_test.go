package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

func TestFirstRunCollectsAll(t *testing.T) {
	s := newMailServer(t)
	s.create("Projects/Engine")
	one := s.add("INBOX", plain("First", "Hello, Ada."), imap.FlagSeen, "work")
	two := s.add("Projects/Engine", multipart)
	r := succeeded(t, s.host())

	expect(t, "messages", told(r, messagesStream), []string{one, two})
	expect(t, "bodies", told(r, bodiesStream), []string{one, two})
	expect(t, "attachments", told(r, attachmentsStream), []string{two + "/;SECTION=2"})
	expect(t, "labels", told(r, labelsStream), []string{"INBOX", "Projects/Engine"})

	m := decoded[message](t, r, messagesStream)
	if got := m[one]; *got.Subject != "First" || *got.FromName != "Grace Hopper" || *got.FromEmail != "grace@navy.example" || *got.To[0].Email != account ||
		*got.Date != "2026-11-24T08:59:00Z" || got.ReceivedAt != "2026-11-24T10:00:00Z" || !got.IsSeen || got.IsFlagged || got.HasAttachments ||
		strings.Join(got.Labels, ",") != "INBOX,work" || *got.Snippet != "Hello, Ada." || got.ThreadID != "First@navy.example" {
		t.Errorf("the first message is %+v", got)
	}
	if got := m[two]; *got.Subject != "Grüße aus Zürich" || !got.HasAttachments || got.ThreadID != "root@x" || *got.InReplyTo != "middle@x" || *got.Snippet != "Schöne Grüße" {
		t.Errorf("the second message is %+v", got)
	}
	b := decoded[body](t, r, bodiesStream)[two]
	if *b.BodyText != "Schöne Grüße" || *b.BodyHTML != "<p>Schöne <b>Grüße</b></p>\r\n" || b.BodySource != bodyText || *b.Charset != "iso-8859-1" {
		t.Errorf("its body is %+v", b)
	}
	a := decoded[attachment](t, r, attachmentsStream)[two+"/;SECTION=2"]
	if *a.Filename != "Prüfung.pdf" || *a.ContentType != "application/pdf" || a.IsInline || a.HydrationStatus != deferred || a.MessageID != two {
		t.Errorf("its attachment is %+v", a)
	}
	if l := decoded[label](t, r, labelsStream)["Projects/Engine"]; l.IsSystem || *l.ParentName != "Projects" || *l.MessageCount != 1 {
		t.Errorf("its label is %+v", l)
	}
	if l := decoded[label](t, r, labelsStream)["INBOX"]; !l.IsSystem || l.CanonicalName != "inbox" || l.ParentName != nil {
		t.Errorf("INBOX is %+v", l)
	}
}

const multipart = `From: =?utf-8?B?R8O8bnRlcg==?= <guenter@x>
To: undisclosed-recipients:;
Subject: =?iso-8859-1?Q?Gr=FC=DFe?= aus =?utf-8?q?Z=C3=BCrich?=
Message-ID: <last@x>
In-Reply-To: <middle@x>
References: <root@x>
 <middle@x>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=ISO-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne Gr=FC=DFe
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+U2Now7ZuZSA8Yj5HcsO8w59lPC9iPjwvcD4NCg==
--inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename="=?utf-8?Q?Pr=C3=BCfung.pdf?="
Content-Transfer-Encoding: base64

JVBERi0=
--outer--
`

func TestSecondRunCollectsWhatChanged(t *testing.T) {
	s := newMailServer(t)
	s.create("Old")
	var keys []string
	for _, subject := range []string{"a", "b", "c"} {
		keys = append(keys, s.add("INBOX", plain(subject, subject)))
	}
	old := s.add("Old", plain("old", "old"))
	h := s.host()
	first := succeeded(t, h)
	h.State = first.State

	again := succeeded(t, h)
	if len(again.Records) != 0 || len(again.Saved) != 0 {
		t.Errorf("after nothing changed: %d records, states %q", len(again.Records), again.Saved)
	}

	d := s.add("INBOX", plain("d", "d"))
	s.setFlags("INBOX", 2, imap.FlagSeen, imap.FlagFlagged)
	s.expunge("INBOX", 1)
	s.must(s.user.Delete("Old"))
	second := succeeded(t, h)
	expect(t, "messages", told(second, messagesStream), []string{"-" + old, "-" + keys[0], keys[1], d})
	expect(t, "bodies", told(second, bodiesStream), []string{d})
	expect(t, "labels", told(second, labelsStream), []string{"-Old"})
	if m := decoded[message](t, second, messagesStream)[keys[1]]; !m.IsSeen || !m.IsFlagged || *m.Snippet != "b" {
		t.Errorf("after its flags changed: %+v", m)
	}
	h.State = second.State
	if again := succeeded(t, h); len(again.Records) != 0 {
		t.Errorf("and then %q", told(again, messagesStream))
	}
}

func TestFolderMadeAnew(t *testing.T) {
	s := newMailServer(t)
	s.create("Box")
	was := s.add("Box", plain("was", "x"))
	h := s.host(messagesStream)
	h.State = succeeded(t, h).State
	s.must(s.user.Delete("Box"))
	s.create("Box")
	is := s.add("Box", plain("is", "x"))
	if was == is {
		t.Fatal("the server gave both the same key")
	}
	r := succeeded(t, h)
	expect(t, "messages", told(r, messagesStream), []string{"-" + was, is})
}

func TestScopeNarrows(t *testing.T) {
	s := newMailServer(t)
	received := received
	one := s.add("INBOX", plain("one", "x"))
	two := s.add("INBOX", plain("two", "x"))
	h := s.host(messagesStream)
	h.Scopes = map[string]sallyport.Scope{messagesStream: {Resources: []string{two}}}
	expect(t, "one key", told(succeeded(t, h), messagesStream), []string{two})
	h.Scopes = map[string]sallyport.Scope{messagesStream: {Since: received.Add(time.Second)}}
	expect(t, "later", told(succeeded(t, h), messagesStream), nil)
	h.Scopes = map[string]sallyport.Scope{messagesStream: {Since: received, Until: received.Add(time.Second), Fields: []string{"subject"}}}
	r := succeeded(t, h)
	expect(t, "then", told(r, messagesStream), []string{one, two})
	if m := decoded[map[string]any](t, r, messagesStream)[one]; len(m) != 4 {
		t.Errorf("data %v", m)
	}
}

// TestStreamJoinsLater: a stream that was not in scope before starts at the
// beginning, and the others go on.
func TestStreamJoinsLater(t *testing.T) {
	s := newMailServer(t)
	one := s.add("INBOX", plain("one", "x"))
	h := s.host(messagesStream)
	h.State = succeeded(t, h).State
	h.Streams = []string{messagesStream, bodiesStream}
	r := succeeded(t, h)
	expect(t, "messages", told(r, messagesStream), nil)
	expect(t, "bodies", told(r, bodiesStream), []string{one})
}

func TestWrongPassword(t *testing.T) {
	s := newMailServer(t)
	h := s.host()
	h.Credentials = map[string]string{passwordName: "CANARY-other"}
	r := h.Run(collect)
	if r.Done.Code != abi.CodeCredentialRejected || r.Done.Recovery != sallyport.RefreshCredentials || r.Open != 0 {
		t.Errorf("ended as %+v, %d open", r.Done, r.Open)
	}
	expect(t, "rejected", r.Rejected, []string{passwordName})
	if strings.Contains(r.Done.Message, "CANARY") {
		t.Error("the message tells a password")
	}
}

func TestUnreachable(t *testing.T) {
	s := newMailServer(t)
	h := s.host()
	h.Dial = nil
	if r := h.Run(collect); r.Done.Code != abi.CodeSourceUnavailable || !r.Done.Retryable {
		t.Errorf("ended as %+v", r.Done)
	}
}

// TestServerBreaksOff: wherever it happens, the source is unavailable, nothing
// is saved, and the next run collects all.
func TestServerBreaksOff(t *testing.T) {
	s := newMailServer(t)
	var keys []string
	for range 20 {
		keys = append(keys, s.add("INBOX", plain("x", strings.Repeat("text ", 200))))
	}
	h := s.host(messagesStream)
	for _, after := range []int{0, 30, 100, 300, 1000, 5000, 20000} {
		for _, how := range []error{io.EOF, errors.New("reset")} {
			left := after
			s.editing(func(text []byte) ([]byte, error) {
				if left -= len(text); left < 0 {
					return text[:max(0, len(text)+left)], how
				}
				return text, nil
			})
			r := h.Run(collect)
			if r.Done.Code != abi.CodeSourceUnavailable || !r.Done.Retryable || len(r.State) != 0 || r.Open != 0 {
				t.Errorf("broken off by %v after %d bytes: %+v, %d open", how, after, r.Done, r.Open)
			}
		}
	}
	s.editing(nil)
	expect(t, "the next run", told(succeeded(t, h), messagesStream), keys)
}

// TestAnswerThatCannotBeRead: what the library cannot read of one message costs
// that message's structure, or the message, and not the run.
func TestAnswerThatCannotBeRead(t *testing.T) {
	s := newMailServer(t)
	good := s.add("INBOX", plain("good", "x"))
	bad := s.add("INBOX", plain("bad", "x"))
	other := s.add("INBOX", plain("other", "x"))
	h := s.host(messagesStream)

	breaking := func(what, with string) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) {
			lines := strings.SplitAfter(string(text), "* ")
			for i, line := range lines {
				if strings.HasPrefix(line, "2 FETCH") {
					lines[i] = strings.Replace(line, what, with, 1)
				}
			}
			return []byte(strings.Join(lines, "")), nil
		}
	}
	s.editing(breaking(`BODYSTRUCTURE ("text"`, `BODYSTRUCTURE (NIL(((`))
	r := succeeded(t, h)
	expect(t, "without a structure", told(r, messagesStream), []string{good, bad, other})
	expect(t, "said", reasons(r), []string{string(structureUnreadable)})

	s.editing(breaking(`INTERNALDATE "`, `INTERNALDATE ?`))
	r = succeeded(t, h)
	expect(t, "without the message", told(r, messagesStream), []string{good, other})
	expect(t, "said", reasons(r), []string{string(messageUnreadable)})
	s.editing(nil)
	h.State = r.State
	if again := succeeded(t, h); len(again.Of(messagesStream)) != 0 {
		t.Errorf("it tries again: %q", told(again, messagesStream))
	}
}

// TestTooMuchForOneRun: a run that is out of time ends well, says that there is
// more, and the next go on.
func TestTooMuchForOneRun(t *testing.T) {
	s := newMailServer(t)
	var keys []string
	for range 2*batchMessages + 5 {
		keys = append(keys, s.add("INBOX", plain("x", "x")))
	}
	h := s.host(messagesStream, bodiesStream)
	short := func(ctx context.Context, run *sallyport.Run) error {
		return collectUntil(ctx, run, limits{until: time.Unix(1, 0), cursor: maxCursor})
	}
	var got, bodies []string
	for runs := 1; ; runs++ {
		r := ended(t, h, short)
		got, bodies = append(got, told(r, messagesStream)...), append(bodies, told(r, bodiesStream)...)
		h.State = r.State
		if len(reasons(r)) == 0 {
			if runs != 3 {
				t.Errorf("it took %d runs", runs)
			}
			break
		}
		expect(t, "said", reasons(r), []string{string(continues)})
	}
	expect(t, "messages", got, keys)
	expect(t, "bodies", bodies, keys)
}

// TestCursorKeepsToItsBound: what does not fit is forgotten, and that is said
// where it matters.
func TestCursorKeepsToItsBound(t *testing.T) {
	s := newMailServer(t)
	for i := range 40 {
		s.add("INBOX", plain("x", "x"), imap.Flag("flag-"+string(rune('a'+i%20))))
	}
	h := s.host(messagesStream)
	tight := func(ctx context.Context, run *sallyport.Run) error {
		return collectUntil(ctx, run, limits{until: time.Now().Add(time.Hour), cursor: 150})
	}
	h.State = ended(t, h, tight).State
	if n := len(h.State[messagesStream]); n > 150 {
		t.Errorf("a cursor of %d bytes", n)
	}
	s.setFlags("INBOX", 3, imap.FlagSeen)
	s.expunge("INBOX", 5)
	one := s.add("INBOX", plain("new", "x"))
	r := ended(t, h, tight)
	expect(t, "said", reasons(r), []string{string(changesUnknown)})
	expect(t, "messages", told(r, messagesStream), []string{one, "-" + strings.Replace(one, "UID=41", "UID=5", 1)})
}

// TestMessageWithoutText: one that only carries a file, and one that is nothing.
func TestMessageWithoutText(t *testing.T) {
	s := newMailServer(t)
	file := s.add("INBOX", "Content-Type: application/pdf; name=a.pdf\nContent-ID: <c>\n\nx\n")
	nothing := s.add("INBOX", "\n")
	r := succeeded(t, s.host())
	expect(t, "messages", told(r, messagesStream), []string{file, nothing})
	bodies := decoded[body](t, r, bodiesStream)
	if len(bodies) != 2 || bodies[file].BodySource != bodyEmpty || bodies[nothing].BodySource != bodyEmpty {
		t.Errorf("bodies %+v", bodies)
	}
	a := decoded[attachment](t, r, attachmentsStream)
	if got := a[file+"/;SECTION=1"]; len(a) != 1 || *got.Filename != "a.pdf" || *got.ContentID != "c" || !got.IsInline {
		t.Errorf("attachments %+v", a)
	}
	if m := decoded[message](t, r, messagesStream)[nothing]; m.ThreadID != nothing || m.Subject != nil {
		t.Errorf("%+v", m)
	}
}

func TestLargeTextIsLeft(t *testing.T) {
	s := newMailServer(t)
	large := s.add("INBOX", plain("large", strings.Repeat("0123456789\n", maxPartBytes/10)))
	small := s.add("INBOX", plain("small", "x"))
	asked := &bytes.Buffer{}
	s.editing(func(text []byte) ([]byte, error) { asked.Write(text); return text, nil })
	r := succeeded(t, s.host())
	expect(t, "messages", told(r, messagesStream), []string{large, small})
	if m := decoded[message](t, r, messagesStream)[large]; m.Snippet != nil || *m.Subject != "large" {
		t.Errorf("%+v", m)
	}
	if b := decoded[body](t, r, bodiesStream)[large]; b.BodyText != nil || b.BodySource != bodyEmpty {
		t.Errorf("%+v", b)
	}
	if asked.Len() > maxPartBytes/2 {
		t.Errorf("the server sent %d bytes", asked.Len())
	}
}

// TestReadsOnly: nothing is marked as seen.
func TestReadsOnly(t *testing.T) {
	s := newMailServer(t)
	s.add("INBOX", plain("x", "x"))
	succeeded(t, s.host())
	s.do("INBOX", func(c *imapclient.Client) error {
		all, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Flags: true}).Collect()
		if err == nil && len(all[0].Flags) != 0 {
			t.Errorf("flags %v", all[0].Flags)
		}
		return err
	})
}
