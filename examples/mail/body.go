package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/charset"
)

const (
	// maxPartBytes is how large a text may be, as it is sent, to be fetched:
	// whole, as the host lets no piece through while a credential is live.
	maxPartBytes = 1 << 20
	// maxFetchBytes is how much text is asked for at once.
	maxFetchBytes = 4 << 20
)

// texts are what a message says: nothing, maybe.
type texts struct {
	text, html *string
	charset    string
	language   []string
	tooLarge   bool // there was one that was not fetched
}

// plain is the text to read, without markup; empty where there is none.
func (t *texts) plain() string {
	switch {
	case t.text != nil && strings.TrimSpace(*t.text) != "":
		return *t.text
	case t.html != nil:
		return stripHTML(*t.html)
	}
	return ""
}

// body is a record of message_bodies.
type body struct {
	ID                string   `json:"id"`
	MessageID         string   `json:"message_id"`
	MessageReceivedAt string   `json:"message_received_at"`
	BodyText          *string  `json:"body_text"`
	BodyHTML          *string  `json:"body_html"`
	BodyTextBytes     *int     `json:"body_text_bytes"`
	BodyHTMLBytes     *int     `json:"body_html_bytes"`
	BodySource        string   `json:"body_source"`
	ContentLanguages  []string `json:"content_languages"`
	Charset           *string  `json:"charset"`
}

// Where a body's text came from.
const (
	bodyText     = "text_plain"
	bodyStripped = "html_stripped"
	bodyEmpty    = "empty"
)

func bodyOf(f *fetched, id string, t *texts) body {
	b := body{ID: id, MessageID: id, MessageReceivedAt: f.receivedAt(), BodySource: bodyEmpty}
	b.BodyHTML, b.Charset, b.ContentLanguages = t.html, orNull(t.charset), t.language
	if text := t.plain(); text != "" {
		b.BodyText, b.BodySource = &text, bodyText
		if t.text == nil || *t.text != text {
			b.BodySource = bodyStripped
		}
	}
	b.BodyTextBytes, b.BodyHTMLBytes = length(b.BodyText), length(b.BodyHTML)
	return b
}

func length(s *string) *int {
	if s == nil {
		return nil
	}
	n := len(*s)
	return &n
}

// wantedPart is a text that is to be fetched.
type wantedPart struct {
	uid  uint32
	part *part
	put  func(text string)
}

// readTexts fetches the texts of messages, by UID. Every message is in the
// result.
func (u *update) readTexts(ctx context.Context, all []*fetched) (map[uint32]*texts, error) {
	result := map[uint32]*texts{}
	for _, f := range all {
		result[f.uid] = &texts{}
	}
	wholeText := u.bodies.Wanted()
	if !wholeText && !(u.messages.Wanted() && u.messages.Scope().WantsField("snippet")) {
		return result, nil
	}
	byPath := map[string][]wantedPart{}
	for _, f := range all {
		plain, html := textParts(f.parts())
		t := result[f.uid]
		if plain != nil {
			t.want(byPath, wantedPart{f.uid, plain, func(text string) { t.text = &text }})
		}
		if html != nil && (wholeText || plain == nil) {
			t.want(byPath, wantedPart{f.uid, html, func(text string) { t.html = &text }})
		}
	}
	for _, path := range sortedKeys(byPath) {
		for _, some := range portions(byPath[path]) {
			if err := u.fetchParts(ctx, some); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}

// want asks for a part, unless it is too large, and notes what it tells of the
// message.
func (t *texts) want(byPath map[string][]wantedPart, w wantedPart) {
	if t.charset == "" {
		t.charset = clean(strings.ToLower(w.part.Params["charset"]))
	}
	if ext := w.part.Extended; ext != nil && t.language == nil {
		for _, tag := range ext.Language {
			t.language = append(t.language, clean(tag))
		}
	}
	if w.part.Size > maxPartBytes {
		t.tooLarge = true
		return
	}
	byPath[w.part.index()] = append(byPath[w.part.index()], w)
}

// portions cuts what is to be fetched into what is asked for at once.
func portions(all []wantedPart) (cut [][]wantedPart) {
	bytes := uint32(0)
	for i, w := range all {
		if bytes += w.part.Size; i == 0 || bytes > maxFetchBytes {
			cut, bytes = append(cut, nil), w.part.Size
		}
		cut[len(cut)-1] = append(cut[len(cut)-1], w)
	}
	return cut
}

// fetchParts fetches the same part of several messages. A text that cannot be
// read is left out, and that is said.
func (u *update) fetchParts(ctx context.Context, wanted []wantedPart) error {
	by := map[uint32]wantedPart{}
	var uids []uint32
	for _, w := range wanted {
		by[w.uid] = w
		uids = append(uids, w.uid)
	}
	items := &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Part: wanted[0].part.path, Peek: true}}}
	_, err := u.halving(ctx, setOf(uids),
		func(uids uidSet) ([]*fetched, error) {
			return nil, u.server.each(uids, items, func(m *imapclient.FetchMessageData) error { return u.takePart(m, by) }, "texts in ")
		},
		func(one uidSet) ([]*fetched, error) {
			u.faults.add(textUnreadable, u.key(one[0]))
			return nil, nil
		})
	return err
}

func (u *update) takePart(m *imapclient.FetchMessageData, by map[uint32]wantedPart) error {
	f := fetched{}
	var raw []byte
	whole := false
	err := f.take(m, func(_ *imap.FetchItemBodySection, bytes []byte, cut bool) { raw, whole = bytes, !cut })
	w, ok := by[f.uid]
	if err != nil || !ok || !whole {
		return err
	}
	text, known := decodePart(w.part, raw)
	if !known {
		u.faults.add(textNotDecodable, u.key(f.uid))
	}
	w.put(text)
	return nil
}

// decodePart undoes a part's transfer encoding and charset. What is damaged is
// decoded as far as it goes; known is false when the charset is not.
func decodePart(p *part, raw []byte) (text string, known bool) {
	switch strings.ToLower(p.Encoding) {
	case "base64":
		raw = decodeBase64(raw)
	case "quoted-printable":
		decoded, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(raw)))
		if err == nil || len(decoded) > 0 {
			raw = decoded
		}
	}
	name := strings.ToLower(p.Params["charset"])
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return clean(string(raw)), true
	}
	r, err := charset.Reader(name, bytes.NewReader(raw))
	if err != nil {
		return clean(string(raw)), false
	}
	decoded, err := io.ReadAll(r)
	if err != nil {
		return clean(string(raw)), false
	}
	return clean(string(decoded)), true
}

// decodeBase64 decodes what is base64 and passes over what is not.
func decodeBase64(raw []byte) []byte {
	kept := slices.Clone(raw)[:0]
	for _, b := range raw {
		if 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '+' || b == '/' {
			kept = append(kept, b)
		}
	}
	if len(kept)%4 == 1 {
		kept = kept[:len(kept)-1]
	}
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(kept)))
	n, _ := base64.RawStdEncoding.Decode(decoded, kept) // of the alphabet alone
	return decoded[:n]
}
