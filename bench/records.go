package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"
	_ "modernc.org/sqlite" // the driver that the sink has too

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/bench/internal/item"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/host/experimental"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/sinks/sqlite"
)

// emitBytes is how much a guest hands over in one call, as the SDK does.
const emitBytes = 16 << 10

// records is what both sides of a measurement get into a database.
type records struct {
	lines   [][]byte
	secrets map[string]string
	dir     string
	made    int // databases
}

func newRecords(n int) (*records, error) {
	r := &records{secrets: map[string]string{}}
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range liveSecrets {
		r.secrets[secretName(i)] = randomValue(rnd, 20+2*i)
	}
	for i := range n {
		one := item.New(i)
		data, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		r.lines = append(r.lines, fmt.Appendf(nil, `{"type":"RECORD","stream":"items","key":%q,"data":%s,"emitted_at":"2026-05-01T10:00:00Z"}`, one.ID, data))
	}
	var err error
	r.dir, err = os.MkdirTemp("", "bench-records")
	return r, err
}

func (r *records) close() { _ = os.RemoveAll(r.dir) } // it is the system's to clean too

func (r *records) path() string {
	r.made++
	return filepath.Join(r.dir, fmt.Sprint(r.made, ".db"))
}

func (r *records) manifest() string {
	var credentials []string
	for i := range liveSecrets {
		credentials = append(credentials, fmt.Sprintf(`%q: {"type": "string", "class": "long_lived_token", "obtained_via": ["user"],
			"send_to": [{"origin": "https://example.com", "paths": ["/**"], "as": "header:Authorization"}]}`, secretName(i)))
	}
	return fmt.Sprintf(`{"protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/records", "connector_key": "records", "version": "1.0.0", "display_name": "Records",
		"runtime_requirements": {"bindings": {"network": {"required": true}}},
		"streams": [{"name": "items", "semantics": "mutable_state", "primary_key": ["id"], "coverage_strategy": "full_inventory", "schema": %s}],
		"options_schema": {"type": "object", "properties": {"records": {"type": "integer"}, "live": {"type": "integer"}}},
		"credentials_schema": {"type": "object", "properties": {%s}},
		"egress": [{"origin": "https://example.com", "paths": ["/**"]}], "limits": {"memory_mib": 256},
		"modules": {"collector": {"path": "collector.wasm"}}}`, item.Schema, strings.Join(credentials, ", "))
}

// smallGuest is a module that holds the lines, and hands them over.
func (r *records) smallGuest() []byte {
	i32, i64 := wasmtest.I32, wasmtest.I64
	m := wasmtest.New(uint32(len(r.lines)*600>>16 + 16))
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	use := m.Import(abi.ModuleCredential, "use", []byte{i32, i32, i32, i32}, []byte{i64})
	out, _ := m.Data(strings.Repeat(" ", 64))
	var code [][]byte
	say := func(text string) {
		p, n := m.Data(text)
		code = append(code, wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop())
	}
	for i := range liveSecrets {
		p, n := m.Data(secretName(i))
		code = append(code, wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.I32Const(int32(out)), wasmtest.I32Const(64), wasmtest.Call(use), wasmtest.Drop())
	}
	var batch bytes.Buffer
	for _, line := range r.lines {
		batch.Write(line)
		batch.WriteByte('\n')
		if batch.Len() >= emitBytes {
			say(batch.String())
			batch.Reset()
		}
	}
	say(batch.String() + `{"type":"STATE","stream":"items","cursor":{"n":1}}`)
	say(fmt.Sprintf(`{"type":"DONE","status":"succeeded","records_emitted":%d}`, len(r.lines)))
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil, append(code, wasmtest.I32Const(0))...)
	return m.Bytes()
}

// native parses, validates and inserts the records as a program of its own
// would, in one goroutine: the sink's table, settings and batches.
func (r *records) native() (time.Duration, error) {
	schema, err := jsonschema.CompileString("items.json", item.Schema)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	db, err := sql.Open("sqlite", r.path()+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=wal_autocheckpoint(4000)&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE items (account INTEGER NOT NULL, id TEXT NOT NULL, emitted_at TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (account, id))"); err != nil {
		return 0, err
	}
	for lines := r.lines; len(lines) > 0; {
		n := min(len(lines), sqlite.BatchRecords)
		if err := insert(db, schema, lines[:n]); err != nil {
			return 0, err
		}
		lines = lines[n:]
	}
	return time.Since(began), db.Close()
}

func insert(db *sql.DB, schema *jsonschema.Schema, lines [][]byte) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	stmt, err := tx.Prepare("INSERT INTO items VALUES (1,?,?,?) ON CONFLICT (account, id) DO UPDATE SET emitted_at=excluded.emitted_at, data=excluded.data")
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, line := range lines {
		var record struct {
			Type, Stream, Key string
			Data              json.RawMessage
			EmittedAt         string `json:"emitted_at"`
		}
		if err := json.Unmarshal(line, &record); err != nil {
			return err
		}
		d := json.NewDecoder(bytes.NewReader(record.Data))
		d.UseNumber()
		var data any
		if err := d.Decode(&data); err != nil {
			return err
		}
		if err := schema.Validate(data); err != nil {
			return err
		}
		if _, err := stmt.Exec(record.Key, record.EmittedAt, string(record.Data)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// through returns what has a guest emit the records into a new database.
//
// ctx is the host's too: see experimental.WithoutInterruption.
func (r *records) through(ctx context.Context, module []byte, options map[string]any) (func() (time.Duration, error), error) {
	in, err := install(ctx, host.NewConfig(), r.manifest(), module, r.secrets)
	if err != nil {
		return nil, err
	}
	if err := in.approve(options); err != nil {
		return nil, err
	}
	return func() (time.Duration, error) {
		began := time.Now()
		sink, err := sqlite.Open(r.path())
		if err != nil {
			return 0, err
		}
		if err := in.run(ctx, sink); err != nil {
			return 0, err
		}
		return time.Since(began), sink.Close()
	}, nil
}

// measureRecords compares collecting records to getting the same ones into a
// database natively.
func measureRecords(ctx context.Context, rounds, n int) (string, error) {
	r, err := newRecords(n)
	if err != nil {
		return "", err
	}
	defer r.close()
	small, err := r.through(ctx, r.smallGuest(), nil)
	if err != nil {
		return "", err
	}
	module, err := buildGuest("./recordguest")
	if err != nil {
		return "", err
	}
	options := map[string]any{"records": n, "live": liveSecrets}
	inGo, err := r.through(ctx, module, options)
	if err != nil {
		return "", err
	}
	free, err := r.through(experimental.WithoutInterruption(ctx), module, options)
	if err != nil {
		return "", err
	}
	m, err := inTurns(rounds, r.native, small, inGo, free)
	if err != nil {
		return "", err
	}
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(n)/d.Seconds()/1000) }
	var b strings.Builder
	fmt.Fprintf(&b, "## Records into a database\n\n%d records of some %d bytes into a new SQLite database, in transactions of %d, each synced; medians of %d rounds. *native* is one goroutine of Go with\n"+
		"`encoding/json`, jsonschema/v5 and the same driver, table and settings. *sallyport* is a whole run: the guest's emits of %d KiB, the guard\n"+
		"looking for %d live credentials, profile, scope and schema, and the SQLite sink with the cursor in the last transaction;\n"+
		"the sink has a CPU beside the guest's where there is one.\n\n"+
		"| guest | native, 1000/s | sallyport, 1000/s | share of native |\n|---|---|---|---|\n", n, len(r.lines[n/2]), sqlite.BatchRecords, rounds, emitBytes>>10, liveSecrets)
	for i, guest := range []string{"small, holds the lines", "Go, makes the records and marshals them", "the same, that nothing stops"} {
		fmt.Fprintf(&b, "| %s | %s | %s | **%s** |\n", guest, rate(m[0]), rate(m[i+1]), ratio(m[0], m[i+1]))
	}
	b.WriteString("\nThe small guest shows what the host takes. What the guest in Go takes beside it is `encoding/json` in WebAssembly, and what makes that stoppable.\n\n")
	return b.String(), nil
}
