package hostile_test

import "github.com/sallyport-host/sallyport/abi"

// mailRows are tricks with a mail server.
var mailRows = []row{
	{
		name: "IMAP: what is meant",
		got:  []string{"a OK LOGIN", "* 1 FETCH (BODY[] {55}\r my password is <MAIL_PASSWORD>)\r b OK done"}, told: used("MAIL_PASSWORD"),
	},
	{
		name: "IMAP: SEARCH",
		got:  []string{"a OK LOGIN", "write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: APPEND",
		got:  []string{"a OK LOGIN", "b OK kept"}, told: used("MAIL_PASSWORD"),
	},
	{
		name: "IMAP: a folder's name",
		got:  []string{"a OK LOGIN", "write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: as the user",
		got:  []string{"a OK LOGIN"}, told: used("MAIL_PASSWORD"),
	},
	{
		name: "IMAP: twice",
		got:  []string{"a OK LOGIN", "write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: after LOGOUT",
		got:  []string{"a OK LOGIN", "b OK LOGOUT", "write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: a part of a part",
		got:  []string{"a OK LOGIN", "write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: COMPRESS",
		got:  []string{"a OK LOGIN", "write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: STARTTLS",
		got:  []string{"write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: two commands in one",
		got:  []string{"a OK LOGIN"}, told: notSent("stream"),
	},
	{
		name: "IMAP: a tag",
		got:  []string{"write -10"}, told: notSent("stream"),
	},
	{
		name: "IMAP: another credential",
		got:  []string{"write -1"}, told: notThere("TOKEN"),
	},
	{
		name: "IMAP: the value itself",
		code: abi.CodeLeakBlocked, told: leak("REVEALED"), holds: []string{"REVEALED"},
	},
	{
		name: "IMAP: the value in a message",
		code: abi.CodeLeakBlocked, told: leak("REVEALED"), holds: []string{"REVEALED"},
	},
	{
		name: "a mail server as a web server",
		got:  []string{"failed -1"}, told: notSent("egress"),
	},
}
