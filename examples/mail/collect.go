package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// collector emits what has changed in folders.
type collector struct {
	run    *sallyport.Run
	server *server
	most   limits
	faults faults
	broken int  // answers that could not be read
	begun  bool // messages have been read

	messages    *sallyport.Stream[message]
	bodies      *sallyport.Stream[body]
	attachments *sallyport.Stream[attachment]

	old, next [3]*cursor // of messages, bodies, attachments
}

// The cursors' places.
const (
	ofMessages = iota
	ofBodies
	ofAttachments
)

func newCollector(run *sallyport.Run, most limits) (*collector, error) {
	c := &collector{run: run, most: most, faults: faults{},
		messages:    sallyport.NewStream(run, messagesStream, func(m message) sallyport.Key { return sallyport.Key{m.ID} }, "id", "thread_id", "received_at"),
		bodies:      sallyport.NewStream(run, bodiesStream, func(b body) sallyport.Key { return sallyport.Key{b.ID} }, "id", "message_id", "body_source"),
		attachments: sallyport.NewStream(run, attachmentsStream, func(a attachment) sallyport.Key { return sallyport.Key{a.ID} }, attachmentRequired...),
	}
	for i, stream := range [...]string{messagesStream, bodiesStream, attachmentsStream} {
		var err error
		if c.old[i], err = load(run, stream); err != nil {
			return nil, err
		}
		c.next[i] = &cursor{Folders: map[string]*progress{}}
	}
	return c, nil
}

func (c *collector) wanted() bool {
	return c.messages.Wanted() || c.bodies.Wanted() || c.attachments.Wanted()
}

// collect brings the streams up to date with all folders.
func (c *collector) collect(ctx context.Context, folders []folder) error {
	there := map[string]bool{}
	for _, f := range folders {
		there[f.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.old[ofMessages].Folders)) {
		if !there[name] {
			if err := c.forget(name, c.old[ofMessages].Folders[name]); err != nil {
				return err
			}
		}
	}
	left := 0
	for _, f := range collectable(folders) {
		n, err := c.folder(ctx, f)
		if err != nil {
			return err
		}
		left += n
	}
	if left > 0 {
		c.faults.add(continues, strconv.Itoa(left)+" messages")
	}
	if err := c.faults.report(c.run, c.firstWanted()); err != nil {
		return err
	}
	if err := save(c.messages, c.old[ofMessages], c.next[ofMessages], c.most.cursor); err != nil {
		return err
	}
	if err := save(c.bodies, c.old[ofBodies], c.next[ofBodies], c.most.cursor); err != nil {
		return err
	}
	return save(c.attachments, c.old[ofAttachments], c.next[ofAttachments], c.most.cursor)
}

// firstWanted is the stream that what is about all of them is said of.
func (c *collector) firstWanted() string {
	switch {
	case c.messages.Wanted():
		return messagesStream
	case c.bodies.Wanted():
		return bodiesStream
	}
	return attachmentsStream
}

// folder brings the streams up to date with one folder, and returns how many
// messages are left to the next run.
func (c *collector) folder(ctx context.Context, f folder) (left int, err error) {
	data, err := c.server.examine(f.Name)
	if errors.Is(err, errRefused) { // what was collected of it stands
		c.faults.add(folderRefused, f.Name)
		for i := range c.old {
			if p := c.old[i].Folders[f.Name]; p != nil {
				c.next[i].Folders[f.Name] = p
			}
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if was := c.old[ofMessages].Folders[f.Name]; was != nil && was.Validity != data.UIDValidity {
		// The server made the folder anew: its UIDs mean other messages.
		if err := c.forget(f.Name, was); err != nil {
			return 0, err
		}
	}
	u := &update{collector: c, folder: f, validity: data.UIDValidity}
	for i := range c.old {
		u.old[i] = c.old[i].of(f.Name, data.UIDValidity)
		next := *u.old[i]
		next.flags = nil // the old one's is not to be changed
		u.next[i], c.next[i].Folders[f.Name] = &next, &next
	}
	if err := u.look(data); err != nil {
		return 0, err
	}
	return u.collect(ctx)
}

// forget deletes what was collected of a folder that is gone.
func (c *collector) forget(name string, was *progress) error {
	if was.NoUIDs && c.messages.Wanted() {
		c.faults.add(deletionsUnknown, name)
	}
	for _, uid := range was.uids {
		if err := c.messages.Delete(messageID(name, was.Validity, uid)); err != nil {
			return err
		}
	}
	return nil
}

// update takes the streams from what they know of a folder to what is in it.
type update struct {
	*collector
	folder    folder
	validity  uint32
	old, next [3]*progress

	all     uidSet            // what is in the folder
	flags   map[uint32]string // of what was collected before; nil with modseq
	changed uidSet            // messages whose flags have
	fresh   uidSet            // what a stream has not looked at
	modseq  uint64
}

// look finds out what is new, changed and gone, and deletes what is gone.
func (u *update) look(data *imap.SelectData) error {
	if data.NumMessages > 0 {
		var err error
		if u.all, err = u.server.search(&imap.SearchCriteria{}); err != nil {
			return err
		}
	}
	old := u.old[ofMessages]
	u.modseq = data.HighestModSeq
	if u.messages.Wanted() {
		if err := u.deleteGone(old); err != nil {
			return err
		}
		if err := u.findChanged(old); err != nil {
			return err
		}
		u.fresh = u.all.without(old.uids)
		if old.NoUIDs {
			u.fresh = u.all.from(old.Next)
		}
	}
	if u.bodies.Wanted() {
		u.fresh = u.fresh.or(u.all.from(u.old[ofBodies].Next))
	}
	if u.attachments.Wanted() {
		u.fresh = u.fresh.or(u.all.from(u.old[ofAttachments].Next))
	}
	return nil
}

func (u *update) deleteGone(old *progress) error {
	next := u.next[ofMessages]
	next.uids, next.NoUIDs = old.uids.and(u.all), false
	if old.NoUIDs {
		// What is below was looked at, and what is gone of it cannot be known.
		u.faults.add(deletionsUnknown, u.folder.Name)
		next.uids = u.all.without(u.all.from(old.Next))
	}
	for _, uid := range old.uids.without(u.all) {
		if err := u.messages.Delete(messageID(u.folder.Name, u.validity, uid)); err != nil {
			return err
		}
	}
	return nil
}

// findChanged finds the messages whose flags have changed: by modification
// sequence, or by comparing them all.
func (u *update) findChanged(old *progress) error {
	known := u.next[ofMessages].uids
	if len(known) == 0 || old.ModSeq != 0 && old.ModSeq == u.modseq {
		return nil
	}
	if old.ModSeq != 0 && u.modseq != 0 {
		flags, err := u.server.flags(known, old.ModSeq)
		u.changed = setOf(slices.Collect(maps.Keys(flags))).and(known)
		return err
	}
	flags, err := u.server.flags(known, 0)
	if err != nil {
		return err
	}
	if old.NoFlags { // they are taken as they are: what changed is not known
		u.faults.add(changesUnknown, u.folder.Name)
	}
	u.flags = flags
	for uid, now := range flags {
		if was, ok := old.flags[uid]; ok && was != now && was != flagsUnread || !ok && !old.NoFlags {
			u.changed = append(u.changed, uid)
		}
	}
	u.changed = setOf(u.changed)
	return nil
}

// collect collects what changed, then what is new, until it is done or time is
// up, and returns how much is left.
func (u *update) collect(ctx context.Context) (left int, err error) {
	next := u.next[ofMessages]
	kept := maps.Clone(u.flags)
	done, err := u.each(ctx, u.changed, func(f *fetched, text *texts) error { return u.emitMessage(f, text) })
	if err != nil {
		return 0, err
	}
	if rest := u.changed[done:]; len(rest) > 0 {
		// Their flags stay as they were known, so that they count as changed
		// in the next run.
		next.ModSeq = u.old[ofMessages].ModSeq
		for _, uid := range rest {
			if was, ok := u.old[ofMessages].flags[uid]; ok && kept != nil {
				kept[uid] = was
			} else {
				delete(kept, uid)
			}
		}
		next.flags = kept
		return len(rest) + len(u.fresh), nil
	}
	next.ModSeq, next.NoFlags, next.flags = u.modseq, false, nil
	if u.modseq == 0 {
		if next.flags = kept; kept == nil {
			next.flags = map[uint32]string{}
		}
	}
	done, err = u.each(ctx, u.fresh, u.emit)
	if err != nil {
		return 0, err
	}
	u.advance(u.fresh[:done])
	return len(u.fresh) - done, nil
}

// advance notes which of the fresh messages have been looked at.
func (u *update) advance(done uidSet) {
	u.next[ofMessages].uids = u.next[ofMessages].uids.or(done.without(u.next[ofMessages].uids))
	if flags := u.next[ofMessages].flags; flags != nil {
		for _, uid := range done {
			if _, ok := flags[uid]; !ok {
				flags[uid] = flagsUnread
			}
		}
	}
	past := uint32(0)
	switch {
	case len(done) < len(u.fresh):
		past = u.fresh[len(done)] // the first that is left
	case len(u.all) > 0:
		past = u.all[len(u.all)-1] + 1
	}
	for _, p := range u.next {
		p.Next = max(p.Next, past)
	}
}

// batchMessages is how many messages are read at a time.
const batchMessages = 100

// each reads messages in order and gives each to take, with its text where
// that is wanted, until time is up. It returns how many it came to.
func (u *update) each(ctx context.Context, uids uidSet, take func(*fetched, *texts) error) (done int, err error) {
	total := int64(len(uids))
	for batch := range slices.Chunk(uids, batchMessages) {
		if u.begun && time.Now().After(u.most.until) {
			break
		}
		u.begun = true // every run gets somewhere
		if err := context.Cause(ctx); err != nil {
			return done, err
		}
		if err := u.batch(ctx, batch, take); err != nil {
			return done, fmt.Errorf("folder %s: %w", u.folder.Name, err)
		}
		done += len(batch)
		if err := u.messages.Progress("reading "+u.folder.Name, int64(done), total); err != nil {
			return done, err
		}
	}
	return done, nil
}

func (u *update) batch(ctx context.Context, uids uidSet, take func(*fetched, *texts) error) error {
	wanted := u.inScope(uids)
	if len(wanted) == 0 {
		return nil
	}
	all, err := u.read(ctx, wanted)
	if err != nil {
		return err
	}
	text, err := u.readTexts(ctx, all)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := take(f, text[f.uid]); err != nil {
			return err
		}
	}
	return nil
}

// inScope leaves out messages of which no stream wants anything, by key.
func (u *update) inScope(uids uidSet) uidSet {
	scope := u.messages.Scope()
	if len(scope.Resources) == 0 || u.bodies.Wanted() || u.attachments.Wanted() {
		return uids
	}
	var some uidSet
	for _, uid := range uids {
		if scope.WantsKey(messageID(u.folder.Name, u.validity, uid)) {
			some = append(some, uid)
		}
	}
	return some
}

// emit emits what each stream has not had of a message.
func (u *update) emit(f *fetched, text *texts) error {
	if !u.old[ofMessages].uids.has(f.uid) {
		if err := u.emitMessage(f, text); err != nil {
			return err
		}
	}
	id := messageID(u.folder.Name, u.validity, f.uid)
	if f.uid >= u.old[ofBodies].Next && u.bodies.Wanted() && u.bodies.Scope().WantsTime(f.received) {
		if err := u.emitBody(id, f, text); err != nil {
			return err
		}
	}
	if f.uid < u.old[ofAttachments].Next || !u.attachments.Scope().WantsTime(f.received) {
		return nil
	}
	for _, a := range attachmentsOf(f, id) {
		if err := u.attachments.Emit(a); err != nil {
			return err
		}
	}
	return nil
}

func (u *update) emitMessage(f *fetched, text *texts) error {
	if u.next[ofMessages].flags != nil {
		u.next[ofMessages].flags[f.uid] = flagsText(f.flags)
	}
	if !u.messages.Scope().WantsTime(f.received) {
		return nil
	}
	return u.messages.Emit(messageOf(f, u.folder, u.validity, text.plain()))
}

func (u *update) emitBody(id string, f *fetched, text *texts) error {
	b := bodyOf(f, id, text)
	err := u.bodies.Emit(b)
	if errors.Is(err, sallyport.ErrTooLarge) { // escapes made it so
		text.tooLarge = true
		b.BodyText, b.BodyHTML, b.BodySource = nil, nil, bodyEmpty
		err = u.bodies.Emit(b)
	}
	if err != nil || !text.tooLarge || !u.bodies.Scope().WantsKey(id) {
		return err
	}
	return u.run.DetailGap(sallyport.DetailGap{Stream: bodiesStream, ParentStream: messagesStream, RecordKey: sallyport.Key{id},
		Reason: "too_large", DetailLocator: map[string]any{"message": id}})
}
