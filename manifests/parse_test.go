package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

func TestParseContacts(t *testing.T) {
	raw := read(t, "contacts.json")
	m := parse(t, raw)
	sum := sha256.Sum256(raw)
	if m.Digest() != hex.EncodeToString(sum[:]) || string(m.Raw()) != string(raw) {
		t.Error("the digest or the raw bytes are not those that were parsed")
	}
	raw[0] = 'x'
	if m.Raw()[0] != '{' {
		t.Error("the manifest shares its bytes with the caller")
	}
	if m.ConnectorKey != "contacts" || m.DisplayName != "Apple Contacts" || m.Version != "0.1.0" || m.ConnectorID == "" {
		t.Errorf("read %q %q %q %q", m.ConnectorID, m.ConnectorKey, m.DisplayName, m.Version)
	}
	if required, ok := m.Binding("network"); !required || !ok {
		t.Error("the binding network is not read")
	}
	if m.NotRunnable != "" || len(m.Warnings) != 0 {
		t.Errorf("NotRunnable %q, warnings %q", m.NotRunnable, m.Warnings)
	}
	s, ok := m.Stream("contacts")
	if !ok || !reflect.DeepEqual(s.PrimaryKey, []string{"id"}) || s.ConsentTimeField != "updated_at" || s.CursorField != "updated_at" ||
		s.DisplayLabel != "Your contacts" || !reflect.DeepEqual(s.Required, []string{"id"}) || s.Semantics != "mutable_state" {
		t.Errorf("stream %+v", s)
	}
	if _, ok := m.Stream("nothing"); ok {
		t.Error("a stream that is not there is found")
	}
	want := Limits{MemoryMiB: 64, Wall: 15 * time.Minute, RequestsPerMinute: 120}
	if m.Limits != want {
		t.Errorf("limits %+v", m.Limits)
	}
	if m.Modules[abi.RoleCollector] != (Module{Path: "collector.wasm"}) {
		t.Errorf("modules %v", m.Modules)
	}
	c, ok := m.Credential("APP_PASSWORD")
	if !ok || c.Class != abi.ClassToken || !c.Required || c.Identity || c.RotationHint.Lifetime != 365*24*time.Hour ||
		!reflect.DeepEqual(c.Access, []abi.Access{abi.AccessUse}) || c.SendTo[0].Origin != "${options.base_url}" || c.SendTo[0].As.Kind != AsBasic {
		t.Errorf("credential %+v", c)
	}
	id, ok := m.Credential("APPLE_ID_EMAIL")
	if !ok || id.Name != "APPLE_ID" || !id.Identity || id.Class != abi.ClassNone {
		t.Errorf("the alias leads to %+v", id)
	}
}

func TestParseEverything(t *testing.T) {
	m, _ := everything(t)
	if len(m.Warnings) != 0 || m.NotRunnable != "" {
		t.Errorf("NotRunnable %q, warnings %q", m.NotRunnable, m.Warnings)
	}
	key, _ := m.Credential("EVERYTHING_TOKEN")
	if key.Name != "API_KEY" || !reflect.DeepEqual(key.SendTo[0].Methods, []string{"GET", "HEAD"}) || key.SendTo[0].As.Param != "X-Api-Key" {
		t.Errorf("API_KEY %+v", key)
	}
	if p := key.ProbeCall; p == nil || p.Method != "GET" || p.As != key.SendTo[0].As || p.Account != "/login" || string(key.Probe) == "" {
		t.Errorf("probe %+v", p)
	}
	if o := key.OAuth; o == nil || o.TokenURL != "https://auth.everything.example/token" || o.ClientAuth != "basic" || len(o.Scopes) != 2 {
		t.Errorf("oauth2 %+v", o)
	}
	mail, _ := m.Credential("MAIL_PASSWORD")
	if mail.SendTo[1].Origin != "smtp://${options.mail_host}" || mail.SendTo[1].Methods != nil {
		t.Errorf("MAIL_PASSWORD %+v", mail)
	}
	cookies, _ := m.Credential("COOKIES")
	if cookies.Capture[0].From != "set-cookie" || cookies.ObtainedVia[0] != "bootstrap_tool" || cookies.Required {
		t.Errorf("COOKIES %+v", cookies)
	}
	if deny := m.Egress[2]; !deny.Deny || deny.Methods != nil {
		t.Errorf("a rule to deny without methods is narrowed: %+v", deny)
	}
	limits := Limits{
		MemoryMiB: 128, CPU: 10 * time.Minute, CPUBetweenCalls: 5 * time.Second, Wall: 26 * time.Hour, Records: 1000, BytesIn: 1 << 20, BytesOut: 1 << 16,
		Requests: 500, Handles: 8, LogLines: 200, Interactions: 3, RequestsPerMinute: 60, Concurrency: 4,
	}
	if m.Limits != limits || len(m.Modules) != 3 {
		t.Errorf("limits %+v, modules %v", m.Limits, m.Modules)
	}
	if required, ok := m.Binding("browser_automation"); required || !ok {
		t.Error("browser and browser_automation are not one")
	}
}

func TestParseRefusesText(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for name, c := range map[string]struct{ text, pointer string }{
		"nothing":             {"", ""},
		"an array":            {"[]", ""},
		"trailing data":       {"{} {}", ""},
		"a byte order mark":   {"\ufeff{}", ""},
		"a comment":           {"{/* */}", ""},
		"a trailing comma":    {`{"a":1,}`, ""},
		"duplicate":           {`{"a":1,"a":1}`, "/a"},
		"duplicate inside":    {`{"egress":[{"deny":false,"deny":true}]}`, "/egress/0/deny"},
		"escaped duplicate":   {`{"a":{"b":1,"\u0062":2}}`, "/a/b"},
		"invalid UTF-8":       {"{\"a\":\"\xff\"}", "/a"},
		"a lone surrogate":    {`{"a":"\ud800"}`, "/a"},
		"too deep":            {`{"a":` + deep + `}`, "/a" + strings.Repeat("/0", MaxDepth-1)},
		"an expensive number": {`{"a":[1e999999]}`, "/a/0"},
		"a long number":       {`{"a":1` + strings.Repeat("0", maxNumberBytes) + `}`, "/a"},
	} {
		_, err := Parse([]byte(c.text))
		faults := faultsOf(t, err)
		if len(faults) != 1 || faults[0].Pointer != c.pointer || faults[0].Remedy == "" {
			t.Errorf("%s: %q, want one fault at %q", name, faults, c.pointer)
		}
	}
	big := append([]byte(`{"a":"`), make([]byte, MaxBytes)...)
	wantFaults(t, second(Parse(big)), " ~ too large")
}

func second[T any](_ T, err error) error { return err }

func TestParseTellsEveryFault(t *testing.T) {
	raw := edit(t, "contacts.json", edits{
		"/connector_key": `"Contacts"`, "/version": "", "/streams/0/primary_key": `["nothing"]`, "/egress/0/methods": `["get"]`,
		"/credentials_schema/properties/APP_PASSWORD/clas":              `"x"`,
		"/credentials_schema/properties/APP_PASSWORD/send_to/0/paths":   "",
		"/credentials_schema/properties/APP_PASSWORD/class":             `"token"`,
		"/credentials_schema/properties/APP_PASSWORD/rotation_hint/url": `"http://x"`,
		"/limits/wall": `"1h"`,
	})
	wantFaults(t, second(Parse(raw)),
		` ~ "version" is missing`,
		"/connector_key ~ cannot be part of an address",
		"/credentials_schema/properties/APP_PASSWORD/clas ~ not known here",
		"/credentials_schema/properties/APP_PASSWORD/class ~ listed",
		"/credentials_schema/properties/APP_PASSWORD/rotation_hint/url ~ https",
		`/credentials_schema/properties/APP_PASSWORD/send_to/0 ~ "paths" is missing`,
		"/egress/0/methods/0 ~ form",
		"/limits/wall ~ duration",
		"/streams/0/primary_key/0 ~ no such property",
	)
	again, other := second(Parse(raw)), second(Parse(raw))
	if again.Error() != other.Error() {
		t.Error("the faults have no fixed order")
	}
}

func TestFaultsError(t *testing.T) {
	one := &Faults{[]Fault{{"/a", "is wrong", "write b"}}}
	if got := one.Error(); got != "/a: is wrong; write b" {
		t.Errorf("one fault: %q", got)
	}
	var l faultList
	for i := range 7 {
		l.add(fmt.Sprint("/", 10-i), "is\nwrong\x1b[31m", "")
		l.add(fmt.Sprint("/", 10-i), "is\nwrong\x1b[31m", "")
	}
	got := l.err().Error()
	if strings.ContainsAny(got, "\n\x1b") || !strings.HasPrefix(got, "7 faults: /4: is") || !strings.HasSuffix(got, "| and 2 more") {
		t.Errorf("seven faults: %q", got)
	}
	for i := range 3 * MaxFaults {
		l.add(fmt.Sprint("/", i), "x", "")
	}
	if list := l.err().(*Faults).Faults; len(list) != MaxFaults || !strings.Contains(list[MaxFaults-1].Problem, "more faults") {
		t.Errorf("%d faults are listed, the last %q", len(list), list[len(list)-1])
	}
}

func TestParsePDPP(t *testing.T) {
	for name, c := range map[string]struct {
		changes edits
		want    []string
	}{
		"nothing of it": {edits{"/connector_id": "", "/connector_key": "", "/version": "", "/display_name": "", "/streams": ""}, []string{
			` ~ "connector_id"`, ` ~ "connector_key"`, ` ~ "display_name"`, ` ~ "streams"`, ` ~ "version"`}},
		"types":              {edits{"/connector_id": "1", "/display_name": `""`, "/version": `[]`}, []string{"/connector_id ~ text", "/display_name ~ text", "/version ~ text"}},
		"a hidden name":      {edits{"/display_name": `"a\u202eb"`}, []string{"/display_name ~ shows"}},
		"a path as a key":    {edits{"/connector_key": `"../x"`}, []string{"/connector_key ~ address"}},
		"no streams":         {edits{"/streams": "[]"}, []string{"/streams ~ 1 to"}},
		"streams no list":    {edits{"/streams": "{}"}, []string{"/streams ~ 1 to"}},
		"a stream no object": {edits{"/streams/0": "1"}, []string{"/streams/0 ~ object"}},
		"one name twice":     {edits{"/streams/0/name": `"contacts"`}, []string{"/streams/1/name ~ another"}},
		"a bad name":         {edits{"/streams/0/name": `"a/b"`}, []string{"/streams/0/name ~ name"}},
		"no name":            {edits{"/streams/0/name": ""}, []string{`/streams/0 ~ "name" is missing`}},
		"no schema":          {edits{"/streams/0/schema": ""}, []string{`/streams/0 ~ "schema" is missing`}},
		"schema true":        {edits{"/streams/0/schema": "true"}, []string{"/streams/0/schema ~ object"}},
		"no key":             {edits{"/streams/0/primary_key": ""}, []string{`/streams/0 ~ "primary_key"`}},
		"an empty key":       {edits{"/streams/0/primary_key": "[]"}, []string{"/streams/0/primary_key ~ list"}},
		"a key twice":        {edits{"/streams/0/primary_key": `["id","id"]`}, []string{"/streams/0/primary_key/1 ~ twice"}},
		"a key no text":      {edits{"/streams/0/primary_key": `[1,"id"]`}, []string{"/streams/0/primary_key/0 ~ name"}},
		"cursor_field":       {edits{"/streams/1/cursor_field": `"no"`}, []string{"/streams/1/cursor_field ~ property"}},
		"consent_time":       {edits{"/streams/1/consent_time_field": `"no"`}, []string{"/streams/1/consent_time_field ~ property"}},
		"bindings":           {edits{"/runtime_requirements/bindings": "[]"}, []string{"/runtime_requirements/bindings ~ object"}},
		"a binding":          {edits{"/runtime_requirements/bindings/network": "true"}, []string{"/runtime_requirements/bindings/network ~ binding"}},
		"required no bool":   {edits{"/runtime_requirements/bindings/network": `{"required":1}`}, []string{"/runtime_requirements/bindings/network ~ binding"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantFaults(t, second(Parse(edit(t, "contacts.json", c.changes))), c.want...)
		})
	}
}

func TestManifestGraph(t *testing.T) {
	state, parents, strategy := "/streams/1/state_stream", "/streams/2/parent_streams", "/streams/1/coverage_strategy"
	for name, c := range map[string]struct {
		changes edits
		want    []string
	}{
		"wrong strategy":         {edits{strategy: `"full_inventory"`}, []string{"/streams/1/coverage_strategy ~ state_stream"}},
		"no strategy":            {edits{strategy: ""}, []string{`/streams/1 ~ "coverage_strategy" is missing`}},
		"parents of a window":    {edits{"/streams/2/coverage_strategy": `"checkpoint_window"`}, []string{"/streams/2/coverage_strategy ~ parent_streams"}},
		"itself":                 {edits{state: `"messages"`}, []string{state + " ~ itself"}},
		"unknown":                {edits{state: `"nothing"`}, []string{state + " ~ no stream"}},
		"empty":                  {edits{state: `""`}, []string{state + " ~ no stream"}},
		"no text":                {edits{state: `1`}, []string{state + " ~ no stream"}},
		"no parents":             {edits{parents: `[]`}, []string{parents + " ~ list"}},
		"parents itself":         {edits{parents: `["details"]`}, []string{parents + "/0 ~ itself"}},
		"parents twice":          {edits{parents: `["sessions","sessions"]`}, []string{parents + "/1 ~ twice"}},
		"parents unknown":        {edits{parents: `["x", 1]`}, []string{parents + "/0 ~ no stream", parents + "/1 ~ no stream"}},
		"both":                   {edits{"/streams/2/state_stream": `"sessions"`}, []string{"/streams/2 ~ both", "/streams/2/coverage_strategy ~ state_stream"}},
		"a circle":               {edits{"/streams/0/state_stream": `"messages"`}, []string{"/streams/0 ~ lead back", "/streams/1 ~ lead back"}},
		"a circle of both kinds": {edits{"/streams/0/state_stream": `"details"`}, []string{"/streams/0 ~ lead back", "/streams/1 ~ lead back", "/streams/2 ~ lead back"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantFaults(t, second(Parse(edit(t, "everything.json", c.changes))), c.want...)
		})
	}
}

func TestNotRunnable(t *testing.T) {
	none := edits{"/credentials_schema": "", "/options_schema": "", "/egress": "", "/modules": "", "/limits": ""}
	upstream := edits{"/setup": `{"credential_capture":{"kind":"app_password"}}`}
	for k := range none {
		upstream[k] = ""
	}
	halfway := edits{"/setup": upstream["/setup"], "/credentials_schema": ""}
	if m := parse(t, edit(t, "contacts.json", halfway)); !strings.Contains(m.NotRunnable, "setup.credential_capture") {
		t.Errorf("NotRunnable is %q with modules and without credentials_schema", m.NotRunnable)
	}
	for want, changes := range map[string]edits{
		"no module":                {"/modules": ""},
		"no collector":             {"/modules": `{"bootstrap":{"path":"b.wasm"}}`},
		"no members of Sallyport":  none,
		"setup.credential_capture": upstream,
	} {
		m := parse(t, edit(t, "contacts.json", changes))
		if !strings.Contains(m.NotRunnable, want) {
			t.Errorf("NotRunnable is %q, want %q in it", m.NotRunnable, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for want, changes := range map[string]edits{
		`/credential_schema: the member is not known and has no effect; did you mean "credentials_schema"?`:           {"/credential_schema": "{}"},
		`/Egres: the member is not known and has no effect; did you mean "egress"?`:                                   {"/Egres": "[]"},
		`/limit: the member is not known and has no effect; did you mean "limits"?`:                                   {"/limit": "{}"},
		`/runtime_requirements/bindings/netwerk: the binding is not known`:                                            {"/runtime_requirements/bindings/netwerk": "{}"},
		`/egress: it has no effect without the binding network`:                                                       {"/runtime_requirements": ""},
		`/credentials_schema/properties/APP_PASSWORD/send_to/0: no egress rule for ${options.base_url} allows REPORT`: {"/egress/0/methods": `["GET","PROPFIND"]`},
	} {
		m := parse(t, edit(t, "contacts.json", changes))
		if len(m.Warnings) != 1 || !strings.HasPrefix(m.Warnings[0], want) {
			t.Errorf("warnings %q, want %q", m.Warnings, want)
		}
	}
	secret := parse(t, edit(t, "contacts.json", edits{"/options_schema/properties/API_TOKEN": `{"type":"string"}`}))
	if len(secret.Warnings) != 1 || !strings.Contains(secret.Warnings[0], "a secret is a credential") {
		t.Errorf("warnings %q of an option that looks like a secret", secret.Warnings)
	}
	m := parse(t, edit(t, "contacts.json", edits{"/source_declaration": "{}", "/extension": "1", "/mod": "1"}))
	if len(m.Warnings) != 0 {
		t.Errorf("warnings %q of members that are not close to ours", m.Warnings)
	}
}

func TestClosest(t *testing.T) {
	for word, want := range map[string]string{
		"modules": "modules", "module": "modules", "modlues": "modules", "Modules": "modules", "credentialsSchema": "credentials_schema",
		"limitation": "", "": "", "mo": "", "options-schema": "options_schema", "egress_rules": "",
	} {
		if got := closest(word, ourMembers()); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"P365D": 365 * 24 * time.Hour, "PT15M": 15 * time.Minute, "P1DT2H": 26 * time.Hour, "P2W": 14 * 24 * time.Hour, "PT1H2M3S": time.Hour + 2*time.Minute + 3*time.Second,
		"P1W1D": 8 * 24 * time.Hour, "PT0H5S": 5 * time.Second, "P36500D": maxDuration,
	} {
		if got, err := parseDuration(s); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "P", "PT", "P1DT", "1D", "P1", "P1H", "PT1D", "P1Y", "P1M", "P1Y2M", "PT1.5S", "P0D", "P-1D", "-P1D", "+P1D", "P+1D", "PT1M1M", "PT1S1M", "P1D1W",
		"p1d", "P 1D", "P1D ", "PT1HT1M", "P36501D", "P36500DT1S", "P36500DT36500D", "P5200WT876000H", "P99999999999999999999D", "P1D\n",
	} {
		if got, err := parseDuration(s); err == nil {
			t.Errorf("parseDuration(%q) = %v", s, got)
		}
	}
}
