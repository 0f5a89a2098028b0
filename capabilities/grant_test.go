package capabilities

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

// The grant of the PDPP core specification's section 7, all members there.
const fullGrant = `{
  "version": "0.1.0", "grant_id": "grt_01J9", "issued_at": "2026-08-20T12:00:00+02:00",
  "subject": {"id": "ann"}, "client": {"client_id": "https://app.example", "client_display": {"name": "App"}},
  "source": {"kind": "connector", "id": "https://connectors.example/contacts"},
  "source_declaration": {"version": "1.2.0"},
  "purpose_code": "https://purposes.example/backup", "purpose_description": "Backup",
  "access_mode": "continuous",
  "streams": [
    {"name": "contacts", "instance_ids": ["work", "home"], "fields": ["full_name", "emails"],
     "time_constraint": {"field": "updated_at", "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
     "resources": ["a", "[\"b\",\"c\"]"]},
    {"name": "groups", "instance_ids": ["home"], "fields": ["id"]}
  ],
  "selection_preset": "basic", "retention": {"max_duration": "P30D", "on_expiry": "delete"},
  "expires_at": "2026-09-01T00:00:00Z"
}`

func testManifest() *manifests.Manifest {
	return &manifests.Manifest{
		ConnectorID: "https://connectors.example/contacts", ConnectorKey: "contacts", Version: "1.2.0",
		Streams: []manifests.Stream{
			{Name: "contacts", PrimaryKey: []string{"id"}, ConsentTimeField: "updated_at", Required: []string{"id", "etag"}},
			{Name: "groups", PrimaryKey: []string{"id"}},
		},
	}
}

func TestParseGrant(t *testing.T) {
	got, err := ParseGrant([]byte(fullGrant))
	if err != nil {
		t.Fatal(err)
	}
	want := &Grant{
		GrantID: "grt_01J9", IssuedAt: time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC), SubjectID: "ann",
		ClientID: "https://app.example", SourceID: "https://connectors.example/contacts", SourceVersion: "1.2.0",
		PurposeCode: "https://purposes.example/backup", Continuous: true,
		Streams: []GrantStream{
			{
				Name: "contacts", InstanceIDs: []string{"work", "home"}, Fields: []string{"full_name", "emails"},
				Resources: []string{"a", `["b","c"]`}, TimeField: "updated_at",
				Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			},
			{Name: "groups", InstanceIDs: []string{"home"}, Fields: []string{"id"}},
		},
		ExpiresAt: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Self() {
		t.Error("it is not the owner's own")
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseGrant(raw); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("written and read: %+v, %v", again, err)
	}
}

func TestParseGrantRefuses(t *testing.T) {
	edit := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(fullGrant, pairs[i]) {
				t.Fatalf("the grant has no %s", pairs[i])
			}
		}
		return strings.NewReplacer(pairs...).Replace(fullGrant)
	}
	tests := map[string]struct{ raw, want string }{
		"empty":             {"", "valid JSON"},
		"array":             {"[]", "not an object"},
		"unknown member":    {edit(`"version"`, `"scope": "*", "version"`), `unknown member "scope"`},
		"duplicate":         {edit(`"subject"`, `"grant_id": "x", "subject"`), "duplicate"},
		"other case":        {edit(`"grant_id"`, `"Grant_ID"`), "grant_id"},
		"trailing":          {fullGrant + "x", "valid JSON"},
		"too large":         {fullGrant + strings.Repeat(" ", MaxBytes), "large"},
		"too deep":          {edit(`"basic"`, strings.Repeat("[", 40)+strings.Repeat("]", 40)), "deep"},
		"version":           {edit(`"0.1.0"`, `"0.2.0"`), "version"},
		"no grant_id":       {edit(`"grant_id": "grt_01J9",`, ``), "grant_id"},
		"null subject":      {edit(`{"id": "ann"}`, `null`), "null"},
		"empty subject":     {edit(`{"id": "ann"}`, `{"id": ""}`), "subject.id"},
		"kind":              {edit(`"kind": "connector"`, `"kind": "file"`), "source.kind"},
		"source no URI":     {edit(`https://connectors.example/contacts`, `contacts`), "source.id"},
		"purpose missing":   {edit(`"purpose_code": "https://purposes.example/backup",`, ``), "purpose_code"},
		"access mode":       {edit(`"continuous"`, `"forever"`), "access_mode"},
		"no streams":        {edit(`"streams": [`, `"streams": [], "x": [`), "unknown member"},
		"wildcard":          {edit(`"name": "groups"`, `"name": "*"`), "wildcard"},
		"stream twice":      {edit(`"name": "groups"`, `"name": "contacts"`), "second time"},
		"no instance":       {edit(`"instance_ids": ["home"],`, ``), "instance_ids"},
		"empty instances":   {edit(`["home"]`, `[]`), "instance_ids"},
		"repeated instance": {edit(`["home"]`, `["home", "home"]`), "instance_ids"},
		"any instance":      {edit(`["home"]`, `["*"]`), "instance_ids"},
		"no fields":         {edit(`, "fields": ["id"]`, ``), "fields"},
		"null fields":       {edit(`"fields": ["id"]`, `"fields": null`), "null"},
		"empty fields":      {edit(`["id"]`, `[]`), "fields"},
		"empty resources":   {edit(`["a", "[\"b\",\"c\"]"]`, `[]`), "resources"},
		"any resource":      {edit(`["a", "[\"b\",\"c\"]"]`, `["*"]`), "resources"},
		"no bound":          {edit(`, "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"`, ``), "neither since nor until"},
		"no field":          {edit(`"field": "updated_at", `, ``), "field"},
		"backwards":         {edit(`"until": "2027`, `"until": "2025`), "ends before"},
		"time":              {edit(`"2026-09-01T00:00:00Z"`, `"tomorrow"`), "time"},
		"ends first":        {edit(`"2026-09-01T00:00:00Z"`, `"2026-08-01T00:00:00Z"`), "expires_at"},
		"a stranger's self": {edit(`grt_01J9`, `self`), "owner's own"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g, err := ParseGrant([]byte(test.raw))
			if !errors.Is(err, ErrMalformed) || g != nil {
				t.Fatalf("got a grant: %v, %v", g != nil, err)
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want it to hold %q", err, test.want)
			}
		})
	}
	for _, raw := range []string{edit(`"expires_at": "2026-09-01T00:00:00Z"`, `"expires_at": null`),
		edit(`"basic"`, "null"), edit(`"continuous"`, `"single_use"`)} {
		if _, err := ParseGrant([]byte(raw)); err != nil {
			t.Errorf("refused: %v", err)
		}
	}
}

func TestSelfGrant(t *testing.T) {
	g := SelfGrant(testManifest(), "ann", noon)
	if !g.Self() || !g.Continuous || g.SubjectID != "ann" || len(g.Streams) != 2 {
		t.Errorf("got %+v", g)
	}
	raw, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseGrant(raw); err != nil || !reflect.DeepEqual(again, g) {
		t.Errorf("written and read: %+v, %v", again, err)
	}
	scope, err := g.ScopeFor(testManifest(), "anything", noon)
	want := abi.Scope{Streams: []abi.StreamScope{{Name: "contacts"}, {Name: "groups"}}}
	if err != nil || !reflect.DeepEqual(scope, want) {
		t.Errorf("got %+v, %v", scope, err)
	}
}

func TestScopeFor(t *testing.T) {
	g, err := ParseGrant([]byte(fullGrant))
	if err != nil {
		t.Fatal(err)
	}
	contacts := abi.StreamScope{
		Name: "contacts", Resources: []string{"a", `["b","c"]`},
		TimeRange: &abi.TimeRange{Since: "2026-01-01T00:00:00Z", Until: "2027-01-01T00:00:00Z"},
		Fields:    []string{"full_name", "emails", "id", "etag", "updated_at"},
	}
	groups := abi.StreamScope{Name: "groups", Fields: []string{"id"}}
	for instance, want := range map[string][]abi.StreamScope{"work": {contacts}, "home": {contacts, groups}} {
		got, err := g.ScopeFor(testManifest(), instance, noon)
		if err != nil || !reflect.DeepEqual(got.Streams, want) {
			t.Errorf("%s: got %+v, %v", instance, got, err)
		}
	}
	if len(g.Streams[0].Fields) != 2 {
		t.Error("the grant itself was widened")
	}
}

func TestScopeForRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(g *Grant, m *manifests.Manifest, instance *string, now *time.Time)
		want   string
	}{
		"not yet":        {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) { *now = g.IssuedAt.Add(-1) }, "begins at"},
		"ended":          {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) { *now = g.ExpiresAt }, "ended at"},
		"no time":        {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) { *now = time.Time{} }, "no time"},
		"connector":      {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) { m.ConnectorID = "urn:x" }, "not for urn:x"},
		"unknown stream": {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) { m.Streams = m.Streams[:1] }, `"groups"`},
		"instance":       {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) { *i = "other" }, `instance "other"`},
		"time field": {func(g *Grant, m *manifests.Manifest, i *string, now *time.Time) {
			m.Streams[0].ConsentTimeField = "created_at"
		}, "consent_time_field"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g, err := ParseGrant([]byte(fullGrant))
			if err != nil {
				t.Fatal(err)
			}
			m, instance, now := testManifest(), "work", noon
			test.change(g, m, &instance, &now)
			scope, err := g.ScopeFor(m, instance, now)
			if !errors.Is(err, ErrGrant) || scope.Streams != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v", scope, err)
			}
		})
	}
}

// A field that the schema does not have is refused by its name, and not given
// to a connector that might fill it with anything.
func TestScopeForRefusesUnknownFields(t *testing.T) {
	m, err := manifests.Parse([]byte(`{"connector_id": "https://connectors.example/contacts", "connector_key": "contacts", "version": "9", "display_name": "C",
		"streams": [{"name": "contacts", "primary_key": ["id"], "schema": {"type": "object", "properties": {"id": {}, "full_name": {}}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	g := &Grant{GrantID: "g", IssuedAt: noon, SourceID: m.ConnectorID, SourceVersion: "1.2.0", Continuous: true,
		Streams: []GrantStream{{Name: "contacts", InstanceIDs: []string{"home"}, Fields: []string{"full_name"}}}}
	// m's version is another than the one consented to, which is no reason.
	if _, err := g.ScopeFor(m, "home", noon); err != nil {
		t.Fatal(err)
	}
	g.Streams[0].Fields = []string{"full_name", "ssn", "emails"}
	scope, err := g.ScopeFor(m, "home", noon)
	if !errors.Is(err, ErrGrant) || scope.Streams != nil || !strings.Contains(err.Error(), `"ssn"`) || !strings.Contains(err.Error(), "2 such") {
		t.Errorf("got %+v, %v", scope, err)
	}
}

func FuzzParseGrant(f *testing.F) {
	f.Add([]byte(fullGrant))
	raw, err := json.Marshal(SelfGrant(testManifest(), "ann", noon))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"version":"0.1.0"}`))
	m := testManifest()
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := ParseGrant(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || g != nil {
				t.Fatalf("got %v and %v", g, err)
			}
			return
		}
		again, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseGrant(again)
		if err != nil || !reflect.DeepEqual(back, g) {
			t.Fatalf("read %+v, wrote and read %+v, %v", g, back, err)
		}
		for _, s := range g.Streams {
			for _, instance := range append(s.InstanceIDs, "default") {
				scope, err := g.ScopeFor(m, instance, noon)
				if (err == nil) == (len(scope.Streams) == 0) {
					t.Fatalf("scope %+v, %v", scope, err)
				}
			}
		}
	})
}
