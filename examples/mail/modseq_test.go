package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

// modseqServer is a server with CONDSTORE, of one folder. It understands what
// the connector says and no more.
type modseqServer struct {
	t *testing.T

	mu       sync.Mutex
	validity uint32
	messages map[uint32]*modseqMessage
	next     uint32
	modseq   uint64
	folders  []string // lines of LIST
	asked    []string // commands, without their tags
}

type modseqMessage struct {
	flags  string
	modseq uint64
}

func newModseqServer(t *testing.T) *modseqServer {
	return &modseqServer{t: t, validity: 7, messages: map[uint32]*modseqMessage{}, next: 1, modseq: 10, folders: []string{`(\Noinferiors) "/" INBOX`}}
}

func (s *modseqServer) set(uid uint32, flags string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modseq++
	s.messages[uid] = &modseqMessage{flags, s.modseq}
	s.next = max(s.next, uid+1)
}

func (s *modseqServer) remove(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modseq++
	delete(s.messages, uid)
}

func (s *modseqServer) host() sallyporttest.Host {
	return sallyporttest.Host{
		Streams: []string{messagesStream}, Options: map[string]any{"host": "mail.example", "port": 993},
		Identities: map[string]string{accountName: account}, Credentials: map[string]string{passwordName: "CANARY-long-enough"},
		Dial: func(context.Context, string) (net.Conn, error) {
			guest, server := net.Pipe()
			go s.serve(server)
			return guest, nil
		},
	}
}

func (s *modseqServer) serve(conn net.Conn) {
	defer conn.Close()
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("* OK [CAPABILITY IMAP4rev1 CONDSTORE LOGINDISABLED AUTH=PLAIN SASL-IR] ready")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
		s.asked = append(s.asked, command)
		answer := s.answer(command)
		s.mu.Unlock()
		for _, line := range answer {
			say("* %s", line)
		}
		say("%s OK done", tag)
	}
}

func (s *modseqServer) answer(command string) []string {
	uids := slices.Sorted(func(yield func(uint32) bool) {
		for uid := range s.messages {
			if !yield(uid) {
				return
			}
		}
	})
	switch word, rest, _ := strings.Cut(command, " "); {
	case word == "CAPABILITY":
		return []string{"CAPABILITY IMAP4rev1 CONDSTORE"}
	case word == "LIST":
		all := []string{}
		for _, f := range s.folders {
			all = append(all, "LIST "+f)
		}
		return all
	case word == "EXAMINE" && strings.HasSuffix(rest, "(CONDSTORE)"):
		return []string{fmt.Sprintf("%d EXISTS", len(uids)), fmt.Sprintf("OK [UIDVALIDITY %d] x", s.validity),
			fmt.Sprintf("OK [UIDNEXT %d] x", s.next), fmt.Sprintf("OK [HIGHESTMODSEQ %d] x", s.modseq)}
	case strings.HasPrefix(command, "UID SEARCH"):
		return []string{"SEARCH " + strings.Trim(fmt.Sprint(uids), "[]")}
	case strings.HasPrefix(command, "UID FETCH"):
		return s.fetch(command, uids)
	}
	return nil
}

func (s *modseqServer) fetch(command string, uids []uint32) (all []string) {
	since := uint64(0)
	if _, after, ok := strings.Cut(command, "(CHANGEDSINCE "); ok {
		since, _ = strconv.ParseUint(strings.TrimRight(after, ")"), 10, 64)
	}
	set := strings.Fields(command)[2]
	for seq, uid := range uids {
		m := s.messages[uid]
		if m.modseq <= since || !inSet(set, uid) {
			continue
		}
		items := fmt.Sprintf(`UID %d FLAGS (%s)`, uid, m.flags)
		if since > 0 {
			items += fmt.Sprintf(" MODSEQ (%d)", m.modseq)
		}
		if strings.Contains(command, "BODYSTRUCTURE") {
			items += ` INTERNALDATE "24-Nov-2026 10:00:00 +0000" RFC822.SIZE 5 BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 1 1) BODY[HEADER.FIELDS (DATE)] ""`
		}
		if strings.Contains(command, "BODY.PEEK[1]") {
			items += ` BODY[1] "x"`
		}
		all = append(all, fmt.Sprintf("%d FETCH (%s)", seq+1, items))
	}
	return all
}

// inSet reports whether a set as it stands in a command has a UID.
func inSet(set string, uid uint32) bool {
	for _, r := range strings.Split(set, ",") {
		first, last, isRange := strings.Cut(r, ":")
		if !isRange {
			last = first
		}
		a, _ := strconv.ParseUint(first, 10, 32)
		b, _ := strconv.ParseUint(last, 10, 32)
		if a <= uint64(uid) && uint64(uid) <= b {
			return true
		}
	}
	return false
}

func key7(uid uint32) string { return messageID("INBOX", 7, uid) }

// TestModificationSequences: a server with CONDSTORE is asked for what has
// changed, and for nothing when nothing has.
func TestModificationSequences(t *testing.T) {
	s := newModseqServer(t)
	for uid := uint32(1); uid <= 4; uid++ {
		s.set(uid, "")
	}
	h := s.host()
	first := succeeded(t, h)
	expect(t, "the first run", told(first, messagesStream), []string{key7(1), key7(2), key7(3), key7(4)})
	h.State = first.State

	s.asked = nil
	if again := succeeded(t, h); len(again.Records) != 0 {
		t.Errorf("after nothing changed: %q", told(again, messagesStream))
	}
	if slices.ContainsFunc(s.asked, func(c string) bool { return strings.HasPrefix(c, "UID FETCH") }) {
		t.Errorf("after nothing changed it asked %q", s.asked)
	}

	s.set(2, `\Seen \Recent`)
	s.remove(3)
	s.set(6, "")
	s.asked = nil
	r := succeeded(t, h)
	expect(t, "then", told(r, messagesStream), []string{key7(2), "-" + key7(3), key7(6)})
	if m := decoded[message](t, r, messagesStream)[key7(2)]; !m.IsSeen || len(m.Labels) != 1 {
		t.Errorf("%+v", m)
	}
	if !slices.ContainsFunc(s.asked, func(c string) bool { return strings.Contains(c, "CHANGEDSINCE 14") }) {
		t.Errorf("it asked %q", s.asked)
	}
	h.State = r.State
	if again := succeeded(t, h); len(again.Records) != 0 || len(again.Saved) != 0 {
		t.Errorf("and then: %q", told(again, messagesStream))
	}

	s.validity = 8
	r = succeeded(t, h)
	var want []string
	for _, uid := range []uint32{1, 2, 4, 6} {
		want = append(want, "-"+key7(uid), messageID("INBOX", 8, uid))
	}
	expect(t, "made anew", told(r, messagesStream), want)
}

// TestAuthenticatesWithoutLogin: a server that takes no LOGIN is given PLAIN,
// and gets the value.
func TestAuthenticatesWithoutLogin(t *testing.T) {
	s := newModseqServer(t)
	succeeded(t, s.host())
	if !slices.ContainsFunc(s.asked, func(c string) bool { return strings.HasPrefix(c, "AUTHENTICATE PLAIN ") }) {
		t.Error("it did not")
	}
}

// TestFolderOfAllMail: where there is one, no message comes twice.
func TestFolderOfAllMail(t *testing.T) {
	s := newModseqServer(t)
	s.folders = append(s.folders, `(\HasNoChildren \All) "/" "[Gmail]/All Mail"`, `(\Noselect) "/" "[Gmail]"`, `(\Junk) "/" "[Gmail]/Spam"`, `(\Flagged) "/" "[Gmail]/Starred"`)
	succeeded(t, s.host())
	var opened []string
	for _, c := range s.asked {
		if rest, ok := strings.CutPrefix(c, "EXAMINE "); ok {
			opened = append(opened, rest)
		}
	}
	expect(t, "opened", opened, []string{`"[Gmail]/All Mail" (CONDSTORE)`, `"[Gmail]/Spam" (CONDSTORE)`})
}
