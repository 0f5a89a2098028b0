package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"

	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
)

// What a file of ours says it is.
const (
	ApplicationID = 0x53414c59 // "SALY"
	FormatVersion = 1
)

// file is an open database that nobody else of us writes to.
type file struct {
	lock *flock.Flock
	db   *sql.DB
	conn *sql.Conn // all is done on one
}

// uncancelled is the context of all statements: one that is cut short leaves a
// transaction half done, and each is short.
var uncancelled = context.Background()

// exists reports whether there is a file at path. Something else there, or no
// folder to make one in, is an error.
func exists(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return false, fmt.Errorf("%s: %w", path, ErrForeign)
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	info, err = os.Stat(filepath.Dir(path))
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: filepath.Dir(path), Err: errors.New("not a folder")}
	}
	return false, err
}

// openFile locks and opens the database at path, and makes one where there is
// none.
func openFile(path string) (*file, error) {
	lock := flock.New(path+"-lock", flock.SetPermissions(0o600))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case !ok:
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	f := &file{lock: lock}
	if err := f.open(path); err != nil {
		_ = f.close() // nothing was written
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func (f *file) open(path string) error {
	// SQLite would make it for everyone to read. It is closed before SQLite
	// opens it: closing a file takes all locks off it that a process has.
	made, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		err = made.Close()
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	if err != nil {
		return err
	}
	c, err := connector(path)
	if err != nil {
		return err
	}
	f.db = sql.OpenDB(c)
	if f.conn, err = f.db.Conn(uncancelled); err != nil {
		return foreign(err)
	}
	if err := f.identify(); err != nil {
		return err
	}
	for _, pragma := range []string{
		"synchronous=FULL", // a commit is on the disk
		"wal_autocheckpoint=4000",
	} {
		if err := f.exec("PRAGMA " + pragma); err != nil {
			return err
		}
	}
	return nil
}

// connector opens path with what harms no file.
func connector(path string) (driver.Connector, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	abs = filepath.ToSlash(abs)
	if !strings.HasPrefix(abs, "/") {
		abs = "/" + abs // C:/…
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{"_pragma": {
		"busy_timeout(5000)",  // others may write, for a moment
		"trusted_schema(off)", // what a file says is not run
		"cell_size_check(on)",
		"temp_store(memory)", // records go to no other file
	}}.Encode()}
	return sqlite.NewConnector(u.String())
}

// identify refuses a file that is not ours, before anything is written to it,
// and makes an empty one ours.
func (f *file) identify() error {
	var id, version, objects int64
	for to, query := range map[*int64]string{
		&id: "PRAGMA application_id", &version: "PRAGMA user_version", &objects: "SELECT count(*) FROM sqlite_schema",
	} {
		if err := f.conn.QueryRowContext(uncancelled, query).Scan(to); err != nil {
			return foreign(err)
		}
	}
	empty := id == 0 && version == 0 && objects == 0
	switch {
	case !empty && id != ApplicationID:
		return ErrForeign
	case version > FormatVersion:
		return ErrNewer
	}
	var mode string
	if err := f.conn.QueryRowContext(uncancelled, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil || mode != "wal" {
		return errors.Join(errors.New("SQLite cannot keep a write-ahead log there; name a file on a disk of this machine"), err)
	}
	if !empty {
		return nil
	}
	return f.format()
}

// notADatabase is SQLite's SQLITE_NOTADB.
const notADatabase = 26

func foreign(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == notADatabase {
		return ErrForeign
	}
	return err
}

// format makes an empty file ours, in one transaction.
func (f *file) format() error {
	if err := f.begin(); err != nil {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf("PRAGMA application_id=%d", ApplicationID),
		fmt.Sprintf("PRAGMA user_version=%d", FormatVersion),
		`CREATE TABLE sallyport_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,
		fmt.Sprintf(`INSERT INTO sallyport_meta VALUES ('format_version', '%d'), ('created_at', '%s')`, FormatVersion, now()),
		`CREATE TABLE sallyport_accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, connector TEXT NOT NULL, instance TEXT NOT NULL, grant_id TEXT NOT NULL,
			serial INTEGER NOT NULL DEFAULT 0, UNIQUE (owner, connector, instance, grant_id))`,
		`CREATE TABLE sallyport_streams (table_name TEXT PRIMARY KEY COLLATE NOCASE, connector TEXT NOT NULL, stream TEXT NOT NULL, primary_key TEXT NOT NULL,
			UNIQUE (connector, stream))`,
		`CREATE TABLE sallyport_state (account INTEGER NOT NULL REFERENCES sallyport_accounts (id), stream TEXT NOT NULL, cursor TEXT NOT NULL, updated_at TEXT NOT NULL,
			PRIMARY KEY (account, stream))`,
		`CREATE TABLE sallyport_reports (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES sallyport_accounts (id), type TEXT NOT NULL, stream TEXT NOT NULL,
			message TEXT NOT NULL, reported_at TEXT NOT NULL)`,
		"COMMIT",
	} {
		if err := f.exec(statement); err != nil {
			_ = f.exec("ROLLBACK")
			return err
		}
	}
	return nil
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// close closes the database, which takes the log into it, and lets go of it.
func (f *file) close() error {
	var errs []error
	if f.conn != nil {
		errs = append(errs, f.conn.Close())
	}
	if f.db != nil {
		errs = append(errs, f.db.Close())
	}
	return errors.Join(append(errs, f.lock.Close())...)
}

func (f *file) exec(text string, args ...any) error {
	_, err := f.conn.ExecContext(uncancelled, text, args...)
	return err
}

// begin begins a transaction that writes.
func (f *file) begin() error { return f.exec("BEGIN IMMEDIATE") }

// find returns an account and the serial of its cursors, zero when there is
// none.
func (f *file) find(scope capabilities.Scope) (id, serial int64, err error) {
	err = f.conn.QueryRowContext(uncancelled, "SELECT id, serial FROM sallyport_accounts WHERE owner=? AND connector=? AND instance=? AND grant_id=?",
		scope.Owner, scope.Connector, scope.Instance, scope.Grant).Scan(&id, &serial)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, serial, err
}

// enter makes the run's account known, in the first transaction of the run.
func (f *file) enter(r *run) error {
	err := f.exec("INSERT INTO sallyport_accounts (owner, connector, instance, grant_id) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
		r.Scope.Owner, r.Scope.Connector, r.Scope.Instance, r.Scope.Grant)
	if err != nil {
		return err
	}
	id, serial, err := f.find(r.Scope)
	switch {
	case err != nil:
		return err
	case r.loaded && serial != r.serial:
		return ErrConflict
	}
	r.account = id
	return f.exec("DELETE FROM sallyport_reports WHERE account=?", id)
}

// report keeps a message that is no record.
func (f *file) report(account int64, m host.Message) error {
	return f.exec("INSERT INTO sallyport_reports (account, type, stream, message, reported_at) VALUES (?,?,?,?,?)",
		account, string(m.Type), m.Stream, string(m.Line), now())
}

// cursors returns the cursors of an account, nil when it has none.
func (f *file) cursors(scope capabilities.Scope) (all map[string]json.RawMessage, serial int64, err error) {
	id, serial, err := f.find(scope)
	if err != nil || id == 0 {
		return nil, 0, err
	}
	rows, err := f.conn.QueryContext(uncancelled, "SELECT stream, cursor FROM sallyport_state WHERE account=?", id)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var stream, cursor string
		if err := rows.Scan(&stream, &cursor); err != nil {
			return nil, 0, err
		}
		if !json.Valid([]byte(cursor)) {
			return nil, 0, fmt.Errorf("the cursor of stream %q in sallyport_state is not JSON; to collect everything again, delete it", stream)
		}
		if all == nil {
			all = map[string]json.RawMessage{}
		}
		all[stream] = json.RawMessage(cursor)
	}
	return all, serial, rows.Err()
}

// keep replaces cursors, in the open transaction.
func (f *file) keep(account int64, cursors map[string]json.RawMessage) error {
	for stream, cursor := range cursors {
		err := f.exec(`INSERT INTO sallyport_state (account, stream, cursor, updated_at) VALUES (?,?,?,?)
			ON CONFLICT (account, stream) DO UPDATE SET cursor=excluded.cursor, updated_at=excluded.updated_at`, account, stream, string(cursor), now())
		if err != nil {
			return err
		}
	}
	return f.exec("UPDATE sallyport_accounts SET serial=serial+1 WHERE id=?", account)
}
