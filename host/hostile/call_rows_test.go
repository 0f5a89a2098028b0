package hostile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// callRows are tricks with the calling convention, with names and with the owner.
var callRows = []row{
	{
		name: "outside the memory",
		got:  []string{"-3 -3 -3 -3", "-3 -3 -8 -3", "-3 -3 -3", "-8 -2 -3", "-3 -3 -3", "-3 -2"}, told: ended("succeeded"),
	},
	{
		name: "a length that wraps around",
		got:  []string{"-8 -8 -8", "-8 -3"}, told: ended("succeeded"),
	},
	{
		name: "output over its own input",
		got:  []string{"40 true", "40 true", "true"}, told: used("REVEALED"),
	},
	{
		name: "output at the lowest address",
		got:  []string{"40"}, told: used("TOKEN"),
	},
	{
		name: "a batch with one bad message",
		code: abi.CodeProtocolViolation, got: []string{"1", "0"}, told: violation,
		finds: []string{"[redacted:TOKEN] one"},
		check: func(t *testing.T, _ *world, o *outcome) {
			if len(o.records) != 1 {
				t.Errorf("%d records left, one came before the bad one: %q", len(o.records), o.records)
			}
		},
	},
	{
		name: "a log line at its cut",
		code: abi.CodeLeakBlocked, told: leak("REVEALED"), holds: []string{"REVEALED"},
		check: func(t *testing.T, _ *world, o *outcome) {
			if text := strings.Join(o.shown, ""); strings.Contains(text, values["REVEALED"][:8]) {
				t.Error("the part before the cut was shown")
			}
		},
	},
	{
		name: "a panic at its cut",
		code: abi.CodeLeakBlocked, told: leak("REVEALED"), holds: []string{"REVEALED"},
		check: func(t *testing.T, _ *world, o *outcome) {
			if strings.Contains(fmt.Sprint(o.err, o.result, o.shown), values["REVEALED"][:8]) {
				t.Error("the part before the cut was shown")
			}
		},
	},
	{
		name: "line breaks in what is audited",
		code: "*", got: []string{"-1 -1 -1", "failed -1", "failed -3"},
	},
	{
		name: "tickets",
		got:  []string{"-3", "40", "-2", "-2", "-8"}, told: used("TOKEN"),
	},
	{
		name: "handles again",
		got:  []string{"close 0 -2", "read -2 write -2 wait -2", "another number: true", "not its own: -2 -2 -2", "thrice: true", "closed while under way: 0"}, told: ended("succeeded"),
	},
	{
		name: "thousands of handles",
		got:  []string{"64 open, then -12", "200 fine"}, told: ended("succeeded"),
	},
	{
		name: "calls after DONE",
		code: abi.CodeProtocolViolation, got: []string{"use -1, reveal -1, send failed -1, interact -3", "open -1"}, told: violation,
	},
	{
		name: "records after DONE",
		code: abi.CodeProtocolViolation, got: []string{"0"}, told: violation,
	},
	{
		name: "names that are not its own",
		got:  []string{"UNDECLARED -1 -1", "PASSWORD -1 -1", " -1 -1", "token -1 -1", "TOKEN0 -1 -1", "../other/TOKEN -1 -1", "owner/hostile/default/self/TOKEN -1 -1", "MINTED -2 0"}, told: notAllowed("MINTED", "not_stored"),
	},
	{
		name: "reveal of what is not to be revealed",
		got:  []string{"TOKEN -1", "PASSWORD -1", "SEED -1", "KEY -1", "UNDECLARED -1"}, told: notAllowed("", "not_declared"),
	},
	{
		name:  "a revealed value of a higher class",
		class: map[string]abi.Class{"REVEALED": abi.ClassPassword}, got: []string{"-1 -1"}, told: notAllowed("REVEALED", "role_class"),
	},
	{
		name: "a dictionary",
		code: abi.CodeLeakBlocked, told: leak("SHORT"),
	},
	{
		name: "a dictionary, with a count told to the drop",
		code: abi.CodeLeakBlocked, told: leak("SHORT"),
	},
	{
		name: "time",
		got:  []string{"told"}, told: ended("succeeded"),
	},
	{
		name: "phishing",
		code: abi.CodeConnectorFailed, got: []string{"-1", "-1", "-1", "-1", "-3", "0 false"}, told: unattended,
	},
	{
		name: "an owner's answer",
		code: abi.CodeCredentialDenied, got: []string{"0 false", "1"}, told: unattended,
	},
	{
		name: "a code used elsewhere",
		got:  []string{"0 true", "failed -1", "failed -1", "failed -1", "200 fine", "1"}, told: notThere("SEED"),
	},
	{
		name: "a signature used elsewhere",
		got:  []string{"0 true", "failed -1", "failed -1", "200 fine", "1"}, told: notThere("KEY"),
	},
	{
		name: "another template, another name",
		got:  []string{"-3 -1 -1 -1"}, told: notAllowed("KEY", "access_not_declared"),
	},
	{
		name: "files",
		got:  []string{"true true 0 0"}, told: ended("succeeded"),
	},
	{
		name: "an exit",
		code: abi.CodeConnectorCrashed, told: ended("failed"),
	},
	{
		name: "a protocol of its own",
		code: abi.CodeProtocolViolation, got: []string{"0", "0"}, told: violation,
	},
}
