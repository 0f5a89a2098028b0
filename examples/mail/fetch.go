package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// maxHeaderBytes is how much of a message's header is read; what is behind is
// let go.
const maxHeaderBytes = 256 << 10

// maxBroken is how many answers may be unreadable in one run: with more, it is
// not single messages that are at fault.
const maxBroken = 64

// fetched is a message as the server tells of it.
type fetched struct {
	uid       uint32
	flags     []string
	received  time.Time
	size      int64
	structure imap.BodyStructure // nil when it could not be read
	header    header
}

// headerFields are what is read of a header.
var headerFields = []string{"Date", "Subject", "From", "To", "Cc", "Bcc", "Reply-To", "Message-ID", "In-Reply-To", "References"}

// search returns the UIDs of the messages in the open folder that fit.
func (s *server) search(criteria *imap.SearchCriteria) (uidSet, error) {
	data, err := s.client.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return nil, s.failed("search "+s.examined, err)
	}
	var all []uint32
	for _, uid := range data.AllUIDs() {
		all = append(all, uint32(uid))
	}
	return setOf(all), nil
}

// flags returns the flags of messages; with a modification sequence, of those
// that have changed since.
func (s *server) flags(uids uidSet, since uint64) (map[uint32]string, error) {
	flags := map[uint32]string{}
	cmd := s.client.Fetch(uids.imap(), &imap.FetchOptions{UID: true, Flags: true, ChangedSince: since})
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		f := fetched{}
		if err := f.take(m, nil); err != nil {
			break // Close says why
		}
		flags[f.uid] = flagsText(f.flags)
	}
	return flags, s.failed("flags in "+s.examined, cmd.Close())
}

// fetch reads messages; bare leaves out their structure.
func (s *server) fetch(uids uidSet, bare bool) ([]*fetched, error) {
	items := &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{{Specifier: imap.PartSpecifierHeader, HeaderFields: headerFields, Peek: true}}}
	if !bare {
		items.BodyStructure = &imap.FetchItemBodyStructure{Extended: true}
	}
	var all []*fetched
	err := s.each(uids, items, func(m *imapclient.FetchMessageData) error {
		f := &fetched{}
		err := f.take(m, func(_ *imap.FetchItemBodySection, raw []byte, _ bool) { f.header = readHeader(raw) })
		if err == nil && f.uid != 0 {
			all = append(all, f)
		}
		return err
	}, "messages in ")
	slices.SortFunc(all, func(a, b *fetched) int { return cmp.Compare(a.uid, b.uid) })
	if err != nil || len(all) > 0 {
		return all, err
	}
	// They may all have been deleted since; or the server's answers are such
	// that the library takes none for one to this question.
	left, err := s.search(&imap.SearchCriteria{UID: []imap.UIDSet{uids.imap()}})
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s: no answer about messages in %s: %w", s.address, s.examined, errRefused)
	}
	return nil, err
}

// each fetches, and gives each message to take.
func (s *server) each(uids uidSet, items *imap.FetchOptions, take func(*imapclient.FetchMessageData) error, what string) error {
	cmd := s.client.Fetch(uids.imap(), items)
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		if take(m) != nil {
			// A literal broke off, and with it the connection: the library is
			// to have ended before it is asked why, as it would read on.
			s.close()
			break
		}
	}
	err := s.failed(what+s.examined, cmd.Close())
	var said *imap.Error
	if errors.As(err, &said) && said.Code == "EXPUNGEISSUED" { // the rest has come
		return nil
	}
	return err
}

// take reads the items of one message. A section's bytes, cut at a bound of its
// own, go to section.
func (f *fetched) take(m *imapclient.FetchMessageData, section func(of *imap.FetchItemBodySection, raw []byte, cut bool)) error {
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			f.uid = uint32(item.UID)
		case imapclient.FetchItemDataFlags:
			for _, flag := range item.Flags {
				if flag != `\Recent` { // it is about the session
					f.flags = append(f.flags, string(flag))
				}
			}
		case imapclient.FetchItemDataInternalDate:
			f.received = item.Time.UTC()
		case imapclient.FetchItemDataRFC822Size:
			f.size = item.Size
		case imapclient.FetchItemDataBodyStructure:
			f.structure = item.BodyStructure
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil || section == nil {
				continue
			}
			most := int64(maxHeaderBytes)
			if item.Section.Specifier == imap.PartSpecifierNone {
				most = maxPartBytes
			}
			raw, err := io.ReadAll(io.LimitReader(item.Literal, most+1))
			if err != nil {
				return err
			}
			if int64(len(raw)) < min(item.Literal.Size(), most+1) {
				return io.ErrUnexpectedEOF // the library takes it for the literal's end
			}
			section(item.Section, raw[:min(int64(len(raw)), most)], int64(len(raw)) > most)
		}
	}
	return nil
}

// read reads messages. Where an answer cannot be read it halves the question,
// until it is about one message; of that one it leaves out the structure, and
// then the message.
func (u *update) read(ctx context.Context, uids uidSet) ([]*fetched, error) {
	return u.halving(ctx, uids, func(uids uidSet) ([]*fetched, error) { return u.server.fetch(uids, false) },
		func(one uidSet) ([]*fetched, error) {
			got, err := u.server.fetch(one, true)
			switch {
			case err == nil:
				u.faults.add(structureUnreadable, u.key(one[0]))
			case isOfMessage(err):
				u.faults.add(messageUnreadable, u.key(one[0]))
				return nil, u.mend(ctx, err)
			}
			return got, err
		})
}

// halving asks about messages, about half of them when the answer cannot be
// read, and about a single one by alone.
func (u *update) halving(ctx context.Context, uids uidSet, ask, alone func(uidSet) ([]*fetched, error)) ([]*fetched, error) {
	got, err := ask(uids)
	if !isOfMessage(err) {
		return got, err
	}
	if err := u.mend(ctx, err); err != nil {
		return nil, err
	}
	if len(uids) == 1 {
		return alone(uids)
	}
	first, err := u.halving(ctx, uids[:len(uids)/2], ask, alone)
	if err != nil {
		return nil, err
	}
	rest, err := u.halving(ctx, uids[len(uids)/2:], ask, alone)
	return append(first, rest...), err
}

func isOfMessage(err error) bool { return errors.Is(err, errUnreadable) || errors.Is(err, errRefused) }

// mend counts an answer that could not be read, and connects again where the
// library has given the connection up.
func (u *update) mend(ctx context.Context, err error) error {
	if u.broken++; u.broken > maxBroken {
		return fmt.Errorf("%w, again and again: %w", sallyport.ErrUnavailable, err)
	}
	if errors.Is(err, errRefused) {
		return nil
	}
	return u.server.reopen(ctx)
}

// key names a message in what is said of it.
func (u *update) key(uid uint32) string { return messageID(u.folder.Name, u.validity, uid) }
