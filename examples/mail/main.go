// Command mail is a Sallyport connector that collects the owner's mail over
// IMAP (RFC 3501): messages, what they say, what is attached to them, and the
// folders.
//
// After the first run it asks only for what has changed: new messages by UID,
// changed flags by modification sequence (RFC 7162) where the server has them
// and by comparing where it has not, deletions by the UIDs that are left. It
// logs in with an app password that it never sees, through emersion/go-imap as
// it is: the host speaks TLS and puts the password in.
package main

import (
	"context"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// The names in the manifest.
const (
	accountName  = "ACCOUNT"
	passwordName = "APP_PASSWORD"

	messagesStream    = "messages"
	bodiesStream      = "message_bodies"
	attachmentsStream = "attachments"
	labelsStream      = "labels"
)

// enough is how long a run collects. A mailbox that takes longer is collected
// over several runs: less than the manifest's wall time, so that each ends well
// and its state counts.
const enough = 10 * time.Minute

func main() { sallyport.Main(collect) }

func collect(ctx context.Context, run *sallyport.Run) error {
	return collectUntil(ctx, run, limits{until: time.Now().Add(enough), cursor: maxCursor})
}

// limits bound what a run does.
type limits struct {
	until  time.Time // when to leave the rest to the next run
	cursor int       // bytes of one stream's cursor
}

func collectUntil(ctx context.Context, run *sallyport.Run, most limits) error {
	c, err := newCollector(run, most)
	if err != nil {
		return err
	}
	if c.server, err = connect(ctx, run); err != nil {
		return err
	}
	defer c.server.close()
	folders, err := c.server.folders()
	if err != nil {
		return err
	}
	if err := collectLabels(run, c.server, folders); err != nil {
		return err
	}
	if !c.wanted() {
		return nil
	}
	return c.collect(ctx, folders)
}
