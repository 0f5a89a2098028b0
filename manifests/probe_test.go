package manifests

import (
	"reflect"
	"strings"
	"testing"
)

const (
	probeOf  = "/credentials_schema/properties/API_KEY/probe"
	sendOf   = "/credentials_schema/properties/API_KEY/send_to/0"
	mailWith = "/credentials_schema/properties/MAIL_PASSWORD/probe"
)

func TestProbeFaults(t *testing.T) {
	path := edits{sendOf + "/as": `"path"`, sendOf + "/paths": `["/v1/*/me"]`}
	with := func(base edits, more edits) edits {
		all := edits{}
		for _, m := range []edits{base, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}
	for name, c := range map[string]struct {
		change edits
		want   []string
	}{
		"a query that is no object":      {edits{probeOf + "/query": `["a"]`}, []string{probeOf + "/query ~ object"}},
		"an empty query":                 {edits{probeOf + "/query": `{}`}, []string{probeOf + "/query ~ at least 1"}},
		"a number in a query":            {edits{probeOf + "/query": `{"a": 1}`}, []string{probeOf + "/query/a ~ string"}},
		"a line break in a query":        {edits{probeOf + "/query": `{"a": "b\n"}`}, []string{probeOf + "/query/a ~ characters"}},
		"an unknown option":              {edits{probeOf + "/query": `{"a": "${options.shops}"}`}, []string{probeOf + "/query/a ~ no option"}},
		"an option within a text":        {edits{probeOf + "/query": `{"a": "x${options.shop}"}`}, []string{probeOf + "/query/a ~ wrongly"}},
		"the credential in a query":      {edits{probeOf + "/query": `{"a": "${credential}"}`}, []string{probeOf + "/query/a ~ wrongly"}},
		"the credential's key":           {edits{sendOf + "/as": `"query:key"`, probeOf + "/query": `{"key": "x"}`}, []string{probeOf + "/query/key ~ stands there"}},
		"a rejection that is a yes":      {edits{probeOf + "/rejected": `[200]`}, []string{probeOf + "/rejected/0 ~ at least 300"}},
		"a rejection that is the moment": {edits{probeOf + "/rejected": `[503]`}, []string{probeOf + "/rejected/0 ~ at most 499"}},
		"found is no pointer":            {edits{probeOf + "/found": `"players"`}, []string{probeOf + "/found ~ right form"}},
		"a path without the value":       {with(path, edits{probeOf + "/path": `"/v1/x/me"`}), []string{probeOf + "/path ~ where the value stands"}},
		"a path with it twice":           {with(path, edits{sendOf + "/paths": `["/v1/**"]`, probeOf + "/path": `"/v1/${credential}/${credential}"`}), []string{probeOf + "/path ~ escaped"}},
		"a path with it elsewhere":       {with(path, edits{probeOf + "/path": `"/${credential}/me"`}), []string{probeOf + " ~ no entry of send_to"}},
		"the value in another's path":    {edits{probeOf + "/path": `"/v1/${credential}"`}, []string{probeOf + "/path ~ does not stand"}},
		"an address with a path":         {edits{sendOf + "/as": `"url"`, probeOf + "/as": `"url"`}, []string{probeOf + " ~ of its own"}},
		"a mail login with a path":       {edits{mailWith: `{"origin": "imaps://${options.mail_host}", "path": "/x", "found": "/x"}`}, []string{mailWith + "/found ~ is a login", mailWith + "/path ~ is a login"}},
		"a mail login elsewhere":         {edits{mailWith: `{"origin": "imaps://other.example"}`}, []string{mailWith + " ~ no entry of send_to"}},
		"a mail login at another port":   {edits{mailWith: `{"origin": "imaps://${options.mail_host}:${options.days}"}`}, []string{mailWith + " ~ no entry of send_to"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(edit(t, "everything.json", c.change))
			wantFaults(t, err, c.want...)
		})
	}
}

// TestProbesAreRead: each kind, with its options put in, and what of it the
// owner is told.
func TestProbesAreRead(t *testing.T) {
	options := map[string]any{"shop": "my-shop", "mail_host": "Mail.Example"}
	for name, c := range map[string]struct {
		change edits
		of     string
		want   Probe
		told   string
	}{
		"query": {
			edits{probeOf: `{"origin": "https://api.everything.example", "path": "/v1/user", "query": {"shop": "${options.shop}", "days": "${options.days}", "x": "a&b"}, "status": [200], "rejected": [401, 403], "found": "/a/0"}`}, "API_KEY",
			Probe{Origin: "https://api.everything.example", Method: "GET", Path: "/v1/user", Query: map[string]string{"shop": "my-shop", "days": "30", "x": "a&b"}, As: Position{AsHeader, "X-Api-Key"}, Status: []int{200}, Rejected: []int{401, 403}, Found: "/a/0"},
			"(GET /v1/user), to check",
		},
		"path": {
			edits{sendOf + "/as": `"path"`, sendOf + "/paths": `["/v1/*/me"]`, probeOf: `{"origin": "https://api.everything.example", "path": "/v1/bot${credential}/me"}`}, "API_KEY",
			Probe{Origin: "https://api.everything.example", Method: "GET", Path: "/v1/bot${credential}/me", As: Position{Kind: AsPath}}, "(GET /v1/bot${credential}/me), to check",
		},
		"address": {
			edits{sendOf + "/as": `"url"`, probeOf: `{"origin": "https://api.everything.example", "as": "url"}`}, "API_KEY",
			Probe{Origin: "https://api.everything.example", Method: "GET", As: Position{Kind: AsURL}}, "(GET), to check",
		},
		"IMAP": {edits{mailWith: `{"origin": "imaps://${options.mail_host}"}`}, "MAIL_PASSWORD", Probe{Origin: "imaps://mail.example", As: Position{Kind: AsIMAP}}, "imaps://mail.example, to check"},
		"SMTP": {edits{mailWith: `{"origin": "smtp://${options.mail_host}:587"}`}, "MAIL_PASSWORD", Probe{Origin: "smtp://mail.example", As: Position{Kind: AsSMTP}}, "smtp://mail.example, to check"},
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, edit(t, "everything.json", c.change))
			before, _ := m.Credential(c.of)
			cited := before.ProbeCall.Query["shop"]
			b := bind(t, m, options)
			if cred, _ := b.Credential(c.of); !reflect.DeepEqual(*cred.ProbeCall, c.want) {
				t.Errorf("%+v\nwant %+v", *cred.ProbeCall, c.want)
			}
			if told := strings.Join(b.Disclose().HostCalls, "\n"); !strings.Contains(told, c.told) {
				t.Errorf("told %q", told)
			}
			if before.ProbeCall.Query["shop"] != cited {
				t.Error("binding changed the manifest")
			}
		})
	}
}

func TestProbeStatuses(t *testing.T) {
	plain, listed := &Probe{}, &Probe{Status: []int{204}, Rejected: []int{403}}
	for status, want := range map[int][4]bool{ // plain accepts, rejects; listed accepts, rejects
		200: {true, false, false, false}, 204: {true, false, true, false}, 302: {false, true, false, false}, 401: {false, true, false, false}, 403: {false, true, false, true},
		404: {false, true, false, false}, 408: {}, 421: {}, 425: {}, 429: {}, 500: {}, 503: {}, 100: {}, 0: {},
	} {
		if got := [4]bool{plain.Accepts(status), plain.Rejects(status), listed.Accepts(status), listed.Rejects(status)}; got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}
