package hostile_test

import "github.com/sallyport-host/sallyport/abi"

// sourceRows are tricks with requests and answers.
var sourceRows = []row{
	{
		name: "an echo of an earlier request",
		got:  []string{"200 you said <TOKEN>", "1"}, told: used("TOKEN"),
	},
	{
		name: "an echo to one that has used nothing",
		kept: values["TOKEN"], got: []string{"200 you said <surrogate>", "1", "failed refused"}, told: ended("succeeded"),
	},
	{
		name: "what is denied beside what is allowed",
		got:  []string{"failed -1"}, told: notSent("egress"),
	},
	{
		name: "another origin hands over the value",
		code: abi.CodeLeakBlocked, told: leak("TOKEN"),
	},
	{
		name: "a value that is read before it is asked for",
		code: abi.CodeLeakBlocked, told: leak("TOKEN"),
	},
	{
		name: "a redirect",
		got:  []string{`302  to ["https://drop.example.com:DROP/landed?t=<TOKEN>"]`, "failed -1"}, told: notThere("TOKEN"),
	},
	{
		name: "a redirect within the origin",
		got:  []string{"failed -1"}, told: notThere("TOKEN"),
	},
	{
		name: "a redirect, with the surrogate where the source put it",
		got:  []string{"to the drop: failed -1", "to its own: failed -1"}, told: notThere("TOKEN"),
	},
	{
		name: "names of HTTP 2's own",
		got:  []string{"failed -3", "failed -3", "failed -3", "failed -3"}, told: notSent("header"),
	},
	{
		name: "a cookie for all of the domain",
		got:  []string{"a surrogate: true", "to the drop: failed -1", "back: 200 true"}, told: notAllowed("", "cookie"),
	},
	{
		name: "one surrogate in two requests at once",
		got:  []string{"200 you said <TOKEN>", "200 you said <TOKEN>"}, told: used("TOKEN"),
	},
	{
		name: "an upgrade",
		got:  []string{"failed -1"}, told: notSent("header"),
	},
	{
		name: "an upgrade nobody asked for",
		got:  []string{"failed unavailable"}, told: used("TOKEN"),
	},
	{
		name: "two lengths",
		got:  []string{"failed -1", "failed -1", "failed -1", "failed -1", "failed -1", "failed -1"}, told: notSent("header"),
	},
	{
		name: "another method, named",
		got:  []string{"failed -1", "failed -1", "failed -1", "failed -1", "failed -1", "failed -1", "failed -1"}, told: notSent("method_override"),
	},
	{
		name: "the same member twice",
		got:  []string{"failed -10", "failed -10", "failed -10", "failed -10", "failed -10", "read back 200 "}, told: misplaced("TOKEN"),
	},
	{
		name: "a range",
		got:  []string{"failed -1"}, told: notSent("range"),
	},
	{
		name: "another encoding asked for",
		got:  []string{`200 asked for "gzip"`}, told: used("TOKEN"),
	},
	{
		name: "line breaks in a header",
		got:  []string{"failed -3", "failed -3", "failed -3", "failed -3"}, told: notSent("header"),
	},
	{
		name: "line breaks in a value",
		got:  []string{"failed -3"}, told: notSent("position"),
	},
	{
		name: "forged surrogates",
		got:  []string{"200 shown", "200 shown", "200 shown", "200 shown", "200 shown", "200 shown", "200 shown", "200 shown"}, told: used("TOKEN"),
	},
	{
		name: "other paths and methods",
		got:  []string{"/open/x failed -1", "/auth/../open/x failed -3", "/auth/%2e%2e/open/x failed -3", "/auth/..%2fopen failed -3", "/auth//../../open failed -3", "/AUTH/x failed -1", "/auth;x/../y failed -3", "/auth\\..\\open failed -3", "DELETE failed -1", "override failed -1"}, told: notSent("egress"),
	},
	{
		name: "other names for hosts",
		got:  []string{"failed -1", "failed -3", "failed -1", "failed -1", "failed -3", "failed -3", "failed -3", "failed -3", "failed -3", "failed -1", "failed -1", "failed -3", "failed -3", "200 fine", "failed -3"}, told: notSent("request_url"),
	},
	{
		name: "a name for this machine",
		got:  []string{"failed denied"}, told: notSent("address"),
	},
	{
		name: "the profile, by JSON",
		got:  []string{"failed -1", "read back 200 "}, told: notThere("TOKEN"),
	},
	{
		name: "the profile, by form",
		got:  []string{"failed -1", "read back 200 "}, told: notThere("TOKEN"),
	},
	{
		name: "the profile, beside the place that is allowed",
		got:  []string{"failed -1", "failed -1", "failed -1", "failed -1", "read back 200 "}, told: notThere("TOKEN"),
	},
	{
		name: "the profile, called something else",
		got:  []string{"failed refused", "failed refused", "read back 200 "}, told: misplaced("TOKEN"),
	},
	{
		name: "the profile, at the place that is allowed",
		got:  []string{"200 ", `read back 200 {"token":"<TOKEN>"}`, "1"}, told: used("TOKEN"),
	},
	{
		name: "another credential's place",
		got:  []string{"failed -1", "failed -1", "200 fine"}, told: notThere("TOKEN"),
	},
	{
		name: "Set-Cookie",
		got:  []string{"a surrogate: true", "to the drop: failed -1", "as a header: failed -1", "back: 200 true", "as a record: 1"}, told: notAllowed("", "cookie"),
	},
	{
		name: "a cookie that is the credential",
		got:  []string{"elsewhere: failed refused", "as a record: 1"}, told: used("TOKEN"),
	},
	{
		name: "a source that drips",
		got:  []string{"failed timeout"}, told: used("TOKEN"),
	},
	{
		name: "a source without an end",
		got:  []string{"failed timeout"}, told: used("TOKEN"),
	},
	{
		name: "a head without an end",
		got:  []string{"failed unavailable"}, told: used("TOKEN"),
	},
	{
		name: "a value made otherwise",
		// documented: docs/threat-model.md, section 4
		got: []string{"200 dropped", "200 dropped", "200 dropped"}, told: used("REVEALED"), holds: []string{"REVEALED"},
	},
}
