package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// folder is a mailbox of the server's.
type folder struct {
	Name   string
	Parent string // empty at the top
	Role   string // "inbox", "sent", …: what the server says it is for; or empty
	Usable bool   // it can hold messages
}

// roles are those of RFC 6154, and what they are called here.
var roles = map[imap.MailboxAttr]string{
	imap.MailboxAttrAll: "all", imap.MailboxAttrArchive: "archive", imap.MailboxAttrDrafts: "drafts",
	imap.MailboxAttrFlagged: "flagged", imap.MailboxAttrJunk: "junk", imap.MailboxAttrSent: "sent", imap.MailboxAttrTrash: "trash",
}

// folders lists the folders in order of their names.
func (s *server) folders() ([]folder, error) {
	var options *imap.ListOptions
	if s.caps.Has(imap.CapSpecialUse) && s.caps.Has(imap.CapListExtended) {
		options = &imap.ListOptions{ReturnSpecialUse: true}
	}
	listed, err := s.client.List("", "*", options).Collect()
	if err != nil {
		return nil, s.failed("list folders", err)
	}
	var all []folder
	for _, l := range listed {
		f := folder{Name: l.Mailbox, Usable: true}
		if strings.EqualFold(f.Name, "INBOX") {
			f.Name, f.Role = "INBOX", "inbox"
		}
		if l.Delim != 0 {
			if i := strings.LastIndex(f.Name, string(l.Delim)); i > 0 {
				f.Parent = f.Name[:i]
			}
		}
		for _, attr := range l.Attrs {
			for known, role := range roles {
				if strings.EqualFold(string(attr), string(known)) {
					f.Role = role
				}
			}
			if strings.EqualFold(string(attr), string(imap.MailboxAttrNoSelect)) || strings.EqualFold(string(attr), string(imap.MailboxAttrNonExistent)) {
				f.Usable = false
			}
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b folder) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b folder) bool { return a.Name == b.Name }), nil
}

// collectable returns the folders whose messages are collected: all; but of a
// server with a folder of all mail, as Gmail, that one and those that it leaves
// out, lest every message come twice. One of flagged messages holds none of its
// own.
func collectable(all []folder) (some []folder) {
	whole := slices.ContainsFunc(all, func(f folder) bool { return f.Role == "all" && f.Usable })
	for _, f := range all {
		if f.Usable && f.Role != "flagged" && (!whole || slices.Contains([]string{"all", "junk", "trash"}, f.Role)) {
			some = append(some, f)
		}
	}
	return some
}

// label is a record of labels: a folder.
type label struct {
	Name          string  `json:"name"`
	CanonicalName string  `json:"canonical_name"`
	IsSystem      bool    `json:"is_system"`
	ParentName    *string `json:"parent_name"`
	MessageCount  *uint32 `json:"message_count"`
}

// seenLabels is the STATE of labels: a digest of each record, by name.
type seenLabels struct {
	Version int               `json:"version"`
	Labels  map[string]string `json:"labels"`
}

// collectLabels emits the folders that are new or have changed.
func collectLabels(run *sallyport.Run, s *server, folders []folder) error {
	stream := sallyport.NewStream(run, labelsStream, func(l label) sallyport.Key { return sallyport.Key{l.Name} }, "name")
	if !stream.Wanted() {
		return nil
	}
	before, ok, err := sallyport.LoadState[seenLabels](run, labelsStream)
	if err != nil {
		return err
	}
	if !ok || before.Version != cursorVersion {
		before = seenLabels{}
	}
	after := seenLabels{Version: cursorVersion, Labels: map[string]string{}}
	for _, f := range folders {
		l, err := s.label(f, stream.Scope().WantsField("message_count"))
		if err != nil {
			return err
		}
		raw, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("label %s: %w", f.Name, err)
		}
		after.Labels[l.Name] = digest(raw)
		if before.Labels[l.Name] == after.Labels[l.Name] {
			continue
		}
		if err := stream.Emit(l); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Labels)) {
		if _, there := after.Labels[name]; !there {
			if err := stream.Delete(name); err != nil {
				return err
			}
		}
	}
	if maps.Equal(before.Labels, after.Labels) {
		return nil
	}
	return stream.SaveState(after)
}

func (s *server) label(f folder, count bool) (label, error) {
	l := label{Name: f.Name, CanonicalName: f.Name, IsSystem: f.Role != "", ParentName: orNull(f.Parent)}
	if f.Role != "" {
		l.CanonicalName = f.Role
	}
	if !f.Usable || !count {
		return l, nil
	}
	status, err := s.client.Status(f.Name, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		if err = s.failed("status of "+f.Name, err); errors.Is(err, errRefused) {
			return l, nil // one that may not be read
		}
		return l, err
	}
	l.MessageCount = status.NumMessages
	return l, nil
}
