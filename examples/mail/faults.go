package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// reason is why something was not collected as it is in the mailbox.
type reason string

const (
	messageUnreadable   reason = "message_unreadable"
	structureUnreadable reason = "structure_unreadable"
	textUnreadable      reason = "text_unreadable"
	textNotDecodable    reason = "text_not_decodable"
	folderRefused       reason = "folder_refused"
	deletionsUnknown    reason = "deletions_unknown"
	changesUnknown      reason = "changes_unknown"
	continues           reason = "continues_next_run"
)

// said is what the owner is told, before the names.
var said = map[reason]string{
	messageUnreadable:   "the server's answers about messages could not be read; they were not collected",
	structureUnreadable: "what messages are made of could not be read; their headers were collected",
	textUnreadable:      "the texts of messages could not be read; the rest was collected",
	textNotDecodable:    "texts in an unknown character set were collected as far as they are ASCII",
	folderRefused:       "the server does not open folders; what was collected of them stands",
	deletionsUnknown:    "folders are too large to remember each message: deletions since the last run are not reported",
	changesUnknown:      "folders are too large to remember each message's flags: changes of flags since the last run are not reported",
	continues:           "there was more than fits in one run; the next goes on with it",
}

// maxNames is how many names are told for each reason.
const maxNames = 10

// faults are the names of what was not collected as it is, by reason.
type faults map[reason][]string

func (f faults) add(why reason, name string) { f[why] = append(f[why], name) }

// report says each reason once.
func (f faults) report(run *sallyport.Run, stream string) error {
	for _, why := range slices.Sorted(maps.Keys(f)) {
		names := f[why]
		text := strings.Join(names[:min(len(names), maxNames)], ", ")
		if more := len(names) - maxNames; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		skip := sallyport.Skip{Stream: stream, Reason: string(why), Message: said[why] + ": " + text}
		if why == continues {
			skip.RecoveryHint = sallyport.RetryByRuntime
		}
		if err := run.Skip(skip); err != nil {
			return err
		}
	}
	return nil
}
