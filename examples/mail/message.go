package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// snippetRunes is how much of a text a message tells.
const snippetRunes = 200

// message is a record of messages.
type message struct {
	ID             string    `json:"id"`
	ThreadID       string    `json:"thread_id"`
	Subject        *string   `json:"subject"`
	FromName       *string   `json:"from_name"`
	FromEmail      *string   `json:"from_email"`
	To             []address `json:"to"`
	Cc             []address `json:"cc"`
	Bcc            []address `json:"bcc"`
	ReplyTo        []address `json:"reply_to"`
	Date           *string   `json:"date"`
	ReceivedAt     string    `json:"received_at"`
	MessageID      *string   `json:"message_id"`
	InReplyTo      *string   `json:"in_reply_to"`
	References     []string  `json:"references"`
	SizeBytes      int64     `json:"size_bytes"`
	Labels         []string  `json:"labels"`
	IsDraft        bool      `json:"is_draft"`
	IsFlagged      bool      `json:"is_flagged"`
	IsSeen         bool      `json:"is_seen"`
	IsAnswered     bool      `json:"is_answered"`
	HasAttachments bool      `json:"has_attachments"`
	Snippet        *string   `json:"snippet"`
}

// messageID is a message's key: what is behind the host in its IMAP URL (RFC
// 5092). It is never another message's.
func messageID(folder string, validity, uid uint32) string {
	return strings.ReplaceAll(url.PathEscape(folder), ";", "%3B") + ";UIDVALIDITY=" + strconv.FormatUint(uint64(validity), 10) +
		"/;UID=" + strconv.FormatUint(uint64(uid), 10)
}

func messageOf(f *fetched, in folder, validity uint32, text string) message {
	id := messageID(in.Name, validity, f.uid)
	h := f.header
	m := message{
		ID: id, Subject: h.text("subject"), To: h.addresses("to"), Cc: h.addresses("cc"), Bcc: h.addresses("bcc"),
		ReplyTo: h.addresses("reply-to"), Date: h.date(), ReceivedAt: f.receivedAt(), MessageID: first(h.ids("message-id")),
		InReplyTo: first(h.ids("in-reply-to")), References: h.ids("references"), SizeBytes: f.size, Labels: f.labels(in.Name),
		IsDraft: f.has(imap.FlagDraft), IsFlagged: f.has(imap.FlagFlagged), IsSeen: f.has(imap.FlagSeen), IsAnswered: f.has(imap.FlagAnswered),
		HasAttachments: len(attachmentsOf(f, id)) > 0, Snippet: orNull(snippet(text)),
	}
	if from := h.addresses("from"); len(from) > 0 {
		m.FromName, m.FromEmail = from[0].Name, from[0].Email
	}
	m.ThreadID = threadID(m)
	return m
}

// threadID is the id of the message that the thread began with, as far as a
// message tells: the first that it refers to, or itself.
func threadID(m message) string {
	switch {
	case len(m.References) > 0:
		return m.References[0]
	case m.InReplyTo != nil:
		return *m.InReplyTo
	case m.MessageID != nil:
		return *m.MessageID
	}
	return m.ID
}

// receivedAt is when the message came to the mailbox. Every message has such a
// time; of one whose time could not be read it is the beginning of time.
func (f *fetched) receivedAt() string {
	if f.received.IsZero() {
		return time.Unix(0, 0).UTC().Format(time.RFC3339)
	}
	return f.received.Format(time.RFC3339)
}

func (f *fetched) has(flag imap.Flag) bool {
	return slices.ContainsFunc(f.flags, func(have string) bool { return strings.EqualFold(have, string(flag)) })
}

// labels are the folder and the message's keywords.
func (f *fetched) labels(folder string) []string {
	labels := []string{folder}
	for _, flag := range f.flags {
		if !strings.HasPrefix(flag, `\`) && !slices.Contains(labels, flag) {
			labels = append(labels, flag)
		}
	}
	slices.Sort(labels[1:])
	return labels
}

// snippet is the beginning of a text, in one line. It ends between two words:
// in a word may stand a surrogate, of which a piece means nothing to the host.
func snippet(text string) string {
	var b strings.Builder
	n := 0
	for word := range strings.FieldsSeq(text) {
		n += utf8.RuneCountInString(word) + 1
		switch {
		case n-1 <= snippetRunes && b.Len() == 0:
			b.WriteString(word)
		case n-1 <= snippetRunes:
			b.WriteString(" " + word)
		case b.Len() == 0:
			return string([]rune(word)[:snippetRunes]) + "…"
		default:
			return b.String() + "…"
		}
	}
	return b.String()
}

// digest tells two versions of a record apart.
func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
