package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
)

// manifestOf returns a manifest with streams of the given primary keys.
func manifestOf(t testing.TB, connector string, streams ...[]string) *manifests.Manifest {
	t.Helper()
	var list []string
	for _, s := range streams {
		key, err := json.Marshal(s[1:])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf(`{"name": %q, "semantics": "mutable_state", "primary_key": %s, "coverage_strategy": "full_inventory", "schema": {"type": "object"}}`, s[0], key))
	}
	m, err := manifests.Parse(fmt.Appendf(nil, `{"protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/%[1]s", "connector_key": %[1]q,
		"version": "1.0.0", "display_name": "Test", "runtime_requirements": {"bindings": {}}, "streams": [%[2]s]}`, connector, strings.Join(list, ",")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// session is a sink with a run begun.
type session struct {
	t testing.TB
	*Sink
	scope capabilities.Scope
	end   func()
}

func begin(t testing.TB, path string, m *manifests.Manifest, owner string) *session {
	t.Helper()
	sink, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sink.delay = time.Hour // a slow machine commits no sooner
	s := &session{t: t, Sink: sink, scope: capabilities.Scope{Owner: owner, Connector: m.ConnectorKey, Instance: "default", Grant: "self"}}
	if s.end, err = sink.Begin(context.Background(), host.RunInfo{RunID: "run_1", Scope: s.scope, Manifest: m}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func (s *session) close() {
	s.end()
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
}

func record(stream, data string, key ...string) host.Message {
	return host.Message{Type: abi.TypeRecord, Stream: stream, Line: []byte("{}"), Key: key, Data: []byte(data), EmittedAt: "2026-01-01T00:00:00Z"}
}

func deletion(stream string, key ...string) host.Message {
	return host.Message{Type: abi.TypeRecord, Stream: stream, Line: []byte("{}"), Key: key, EmittedAt: "2026-01-01T00:00:00Z", Delete: true}
}

func (s *session) write(messages ...host.Message) {
	s.t.Helper()
	for _, m := range messages {
		if err := s.Write(context.Background(), m); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *session) commit(cursor string) {
	s.t.Helper()
	if err := s.Commit(context.Background(), s.scope, map[string]json.RawMessage{"notes": json.RawMessage(cursor)}); err != nil {
		s.t.Fatal(err)
	}
}

// rows reads the file as another program would.
func rows(t testing.TB, path, query string) (all []string) {
	t.Helper()
	c, err := connector(path)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	found, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	names, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		cells, to := make([]string, len(names)), make([]any, len(names))
		for i := range cells {
			to[i] = &cells[i]
		}
		if err := found.Scan(to...); err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Join(cells, "|"))
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestRecordsAreReplacedAndDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?#%41.db")
	m := manifestOf(t, "test", []string{"notes", "id"}, []string{"parts", "note", "n"})
	s := begin(t, path, m, "ada")
	s.write(record("notes", `{"id":"a","n":1}`, "a"), record("notes", `{"id":"b"}`, "b"), record("notes", `{"id":"a","n":2}`, "a"),
		deletion("notes", "b"), deletion("notes", "never there"),
		record("parts", `{"note":"a","n":7}`, "a", "7"), record("parts", `{"note":"a","n":8}`, "a", "8"), deletion("parts", "a", "7"))
	s.write(host.Message{Type: abi.TypeSkipResult, Stream: "notes", Line: []byte(`{"type":"SKIP_RESULT"}`)})
	if got := rows(t, path, "SELECT count(*) FROM sqlite_schema WHERE name='test_notes'"); got[0] != "0" {
		t.Error("what was not flushed is in the file")
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "notes", rows(t, path, "SELECT id, emitted_at, data FROM test_notes"), `a|2026-01-01T00:00:00Z|{"id":"a","n":2}`)
	same(t, "parts", rows(t, path, "SELECT note, n, data->>'n' FROM test_parts"), "a|8|8")
	same(t, "reports", rows(t, path, "SELECT type, stream, message FROM sallyport_reports"), `SKIP_RESULT|notes|{"type":"SKIP_RESULT"}`)
	same(t, "meta", rows(t, path, "SELECT value FROM sallyport_meta WHERE name='format_version'"), "1")
	if runtime.GOOS != "windows" {
		for _, name := range []string{path, path + "-wal", path + "-shm", path + "-lock"} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	s.close()
	next := begin(t, path, m, "ada")
	next.write(record("notes", `{"id":"c"}`, "c"))
	next.commit("{}")
	same(t, "reports of a run that had none", rows(t, path, "SELECT * FROM sallyport_reports"))
	next.close()
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("the log is not taken into the file at the end")
	}
}

// Cursors are kept with the records before them, or neither is.
func TestStateIsKeptWithItsRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	m := manifestOf(t, "test", []string{"notes", "id"})
	load := func(s *session) string {
		t.Helper()
		cursors, err := s.Load(t.Context(), s.scope)
		if err != nil {
			t.Fatal(err)
		}
		return string(cursors["notes"])
	}
	s := begin(t, path, m, "ada")
	if got := load(s); got != "" {
		t.Errorf("a new file has the cursor %s", got)
	}
	s.write(record("notes", `{"id":"a"}`, "a"))
	s.commit(`{"n":1}`)
	s.write(record("notes", `{"id":"b"}`, "b")) // never flushed
	s.close()
	same(t, "after a run that did not end well", rows(t, path, "SELECT id FROM test_notes"), "a")

	s = begin(t, path, m, "ada")
	if got := load(s); got != `{"n":1}` {
		t.Errorf("the cursor is %s", got)
	}
	s.commit(`{"n":2}`)
	if got := load(s); got != `{"n":2}` {
		t.Errorf("the cursor is %s", got)
	}
	s.close()
	other := begin(t, path, m, "bob")
	if got := load(other); got != "" {
		t.Errorf("another account gets the cursor %s", got)
	}
	other.write(record("notes", `{"id":"a","of":"bob"}`, "a"), deletion("notes", "b"))
	other.commit(`{"n":9}`)
	same(t, "two accounts", rows(t, path, "SELECT owner, n.id, data FROM test_notes n JOIN sallyport_accounts a ON account=a.id ORDER BY 1"),
		`ada|a|{"id":"a"}`, `bob|a|{"id":"a","of":"bob"}`)
}

// A run does not commit over what another committed after it had loaded.
func TestAFileThatAnotherMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	m := manifestOf(t, "test", []string{"notes", "id"})
	late := begin(t, path, m, "ada")
	if _, err := late.Load(t.Context(), late.scope); err != nil {
		t.Fatal(err)
	}
	first := begin(t, path, m, "ada")
	first.write(record("notes", `{"id":"a"}`, "a"))
	if err := late.Write(t.Context(), record("notes", `{}`, "b")); !errors.Is(err, ErrLocked) {
		t.Errorf("two write at a time: %v", err)
	}
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a third is not refused: %v", err)
	}
	first.commit("{}")
	first.close()
	if err := late.Write(t.Context(), record("notes", `{}`, "b")); !errors.Is(err, ErrConflict) {
		t.Errorf("it goes by an older state: %v", err)
	}
	if err := late.Flush(t.Context()); !errors.Is(err, ErrConflict) {
		t.Errorf("the error is forgotten: %v", err)
	}
}

func TestNothingIsLeftBehindWithoutNeed(t *testing.T) {
	dir := t.TempDir()
	s := begin(t, filepath.Join(dir, "out.db"), manifestOf(t, "test", []string{"notes", "id"}), "ada")
	if _, err := s.Load(t.Context(), s.scope); err != nil {
		t.Fatal(err)
	}
	s.close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := Open(filepath.Join(dir, "no", "folder.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// What is not ours is refused, and not touched.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	foreignDB := func(statements ...string) string {
		path := filepath.Join(dir, fmt.Sprint(len(statements), ".db"))
		c, err := connector(path)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(c)
		defer db.Close()
		for _, s := range statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("Dear diary, ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		text: ErrForeign, dir: ErrForeign,
		foreignDB("CREATE TABLE photos (id)"): ErrForeign,
		foreignDB("CREATE TABLE photos (id)", fmt.Sprintf("PRAGMA application_id=%d", ApplicationID), "PRAGMA user_version=2"): ErrNewer,
	} {
		before, _ := os.ReadFile(path)
		if _, err := Open(path); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		if after, _ := os.ReadFile(path); string(before) != string(after) {
			t.Errorf("%s was changed", path)
		}
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := begin(t, empty, manifestOf(t, "test", []string{"notes", "id"}), "ada")
	s.write(record("notes", `{}`, "a"))
	s.commit("{}")
}

// A disk that is full is an error, the batch is not there, and nothing comes
// after it.
func TestAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	s := begin(t, path, manifestOf(t, "test", []string{"notes", "id"}), "ada")
	s.write(record("notes", `{}`, "kept"))
	s.commit(`{"n":1}`)
	if err := s.file.exec("PRAGMA max_page_count=30"); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil && i < BatchRecords/2; i++ {
		err = s.Write(t.Context(), record("notes", `"`+strings.Repeat("x", 1000)+`"`, fmt.Sprint(i)))
	}
	if err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), path) {
		t.Fatalf("a full disk: %v", err)
	}
	again := []error{s.Write(t.Context(), deletion("notes", "kept")), s.Flush(t.Context()), s.Commit(t.Context(), s.scope, map[string]json.RawMessage{"notes": []byte(`{"n":2}`)})}
	for _, e := range again {
		if !errors.Is(e, err) {
			t.Errorf("after it: %v", e)
		}
	}
	s.close()
	same(t, "records", rows(t, path, "SELECT id FROM test_notes"), "kept")
	same(t, "state", rows(t, path, "SELECT cursor FROM sallyport_state"), `{"n":1}`)
}

// A transaction ends by itself, so that others can write too.
func TestATransactionEndsByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	s := begin(t, path, manifestOf(t, "test", []string{"notes", "id"}), "ada")
	s.write(record("notes", `{}`, "a"))
	for range BatchRecords - 1 {
		s.write(deletion("notes", "b"))
	}
	same(t, "a full batch", rows(t, path, "SELECT id FROM test_notes"), "a")
	s.write(record("notes", `{}`, "c"))
	s.mu.Lock()
	timer := s.run.timer
	s.mu.Unlock()
	timer.Reset(0)
	for pending := true; pending; runtime.Gosched() {
		s.mu.Lock()
		pending = s.run.since > 0
		s.mu.Unlock()
	}
	same(t, "a batch that waited", rows(t, path, "SELECT id FROM test_notes"), "a", "c")
}

func TestOneRunAtATime(t *testing.T) {
	m := manifestOf(t, "test", []string{"notes", "id"})
	s := begin(t, filepath.Join(t.TempDir(), "out.db"), m, "ada")
	if _, err := s.Begin(t.Context(), host.RunInfo{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second run: %v", err)
	}
	s.write(record("notes", `{}`, "a"))
	s.end()
	if err := s.Flush(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("no run: %v", err)
	}
	again, err := s.Begin(t.Context(), host.RunInfo{Scope: s.scope, Manifest: m})
	if err != nil {
		t.Fatal(err)
	}
	s.end() // of the first, late: the second goes on
	s.write(record("notes", `{}`, "b"))
	s.commit("{}")
	again()
	same(t, "records", rows(t, s.path, "SELECT id FROM test_notes"), "b")
}

// No two streams share a table, whatever they are called.
func TestTablesAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	names := map[string]bool{}
	for _, m := range []*manifests.Manifest{
		manifestOf(t, "a", []string{"b_c", "id"}, []string{"B_C", "id"}, []string{"b-c", "id"}, []string{"b.c", "id"}),
		manifestOf(t, "a_b", []string{"c", "id"}), manifestOf(t, "sallyport", []string{"meta", "id"}, []string{"State", "id"}),
		manifestOf(t, "sqlite", []string{"schema", "id"}), manifestOf(t, "1", []string{"select", "order"}),
	} {
		s := begin(t, path, m, "ada")
		for _, stream := range m.Streams {
			s.write(record(stream.Name, `{}`, m.ConnectorKey+" "+stream.Name))
		}
		s.commit("{}")
		s.close()
	}
	accounts := map[string]string{"a": "1", "a_b": "2", "sallyport": "3", "sqlite": "4", "1": "5"}
	for _, line := range rows(t, path, "SELECT table_name, connector || ' ' || stream FROM sallyport_streams") {
		name, stream, _ := strings.Cut(line, "|")
		if names[strings.ToLower(name)] {
			t.Errorf("two streams are in %s", name)
		}
		names[strings.ToLower(name)] = true
		connector, _, _ := strings.Cut(stream, " ")
		want := accounts[connector] + "|" + stream + "|2026-01-01T00:00:00Z|{}|" + connector
		same(t, name, rows(t, path, "SELECT t.*, connector FROM "+quote(name)+" t JOIN sallyport_accounts a ON account=a.id"), want)
	}
	if len(names) != 9 || !names["a_b_c"] || !names["a_b_c_2"] {
		t.Errorf("tables %v", names)
	}
}

func TestKeyColumns(t *testing.T) {
	for _, c := range [][2][]string{
		{{"id"}, {"id"}}, {{"note", "n"}, {"note", "n"}}, {{"data"}, {"key_1"}}, {{"id", "ID"}, {"id", "key_2"}},
		{{"a b", "key_1"}, {"key_2", "key_1"}}, {{`"; --`, "größe", ""}, {"key_1", "key_2", "key_3"}}, {{"Rowid", "select"}, {"key_1", "select"}},
	} {
		if got := keyColumns(c[0]); !reflect.DeepEqual(got, c[1]) {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

func TestAChangedPrimaryKeyIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	s := begin(t, path, manifestOf(t, "test", []string{"notes", "id"}), "ada")
	s.write(record("notes", `{}`, "a"))
	s.commit("{}")
	s.close()
	s = begin(t, path, manifestOf(t, "test", []string{"notes", "id", "n"}), "ada")
	if err := s.Write(t.Context(), record("notes", `{}`, "a", "1")); !errors.Is(err, ErrKeyChanged) {
		t.Errorf("%v", err)
	}
}
