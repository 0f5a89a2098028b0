package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
)

// table is where one stream's records go.
type table struct {
	upsert, remove *sql.Stmt
	args           []any // of the last statement, for the next
}

// table returns the table of a connector's stream, which is made when there is
// none.
func (f *file) table(connector string, s *manifests.Stream) (*table, error) {
	key, err := json.Marshal(s.PrimaryKey)
	if err != nil {
		return nil, err
	}
	var name, have string
	err = f.conn.QueryRowContext(uncancelled, "SELECT table_name, primary_key FROM sallyport_streams WHERE connector=? AND stream=?", connector, s.Name).Scan(&name, &have)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if name, err = f.createTable(connector, s, string(key)); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case have != string(key):
		return nil, fmt.Errorf("stream %s: %w", s.Name, ErrKeyChanged)
	}
	return f.prepare(name, keyColumns(s.PrimaryKey))
}

func (f *file) createTable(connector string, s *manifests.Stream, key string) (name string, err error) {
	if name, err = f.freeName(tableName(connector, s.Name)); err != nil {
		return "", err
	}
	columns := keyColumns(s.PrimaryKey)
	var text strings.Builder
	fmt.Fprintf(&text, "CREATE TABLE %s (account INTEGER NOT NULL REFERENCES sallyport_accounts (id)", quote(name))
	for _, column := range columns {
		fmt.Fprintf(&text, ", %s TEXT NOT NULL", quote(column))
	}
	fmt.Fprintf(&text, ", emitted_at TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (account, %s))", quoted(columns))
	if err := f.exec(text.String()); err != nil {
		return "", err
	}
	return name, f.exec("INSERT INTO sallyport_streams (table_name, connector, stream, primary_key) VALUES (?,?,?,?)", name, connector, s.Name, key)
}

func (f *file) prepare(name string, columns []string) (t *table, err error) {
	values := strings.Repeat("?,", len(columns)+2) + "?"
	t = &table{}
	t.upsert, err = f.conn.PrepareContext(uncancelled, fmt.Sprintf(
		"INSERT INTO %s (account, %s, emitted_at, data) VALUES (%s) ON CONFLICT (account, %[2]s) DO UPDATE SET emitted_at=excluded.emitted_at, data=excluded.data",
		quote(name), quoted(columns), values))
	if err != nil {
		return nil, err
	}
	var where strings.Builder
	for _, column := range columns {
		fmt.Fprintf(&where, " AND %s=?", quote(column))
	}
	t.remove, err = f.conn.PrepareContext(uncancelled, fmt.Sprintf("DELETE FROM %s WHERE account=?%s", quote(name), where.String()))
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// put writes one record, or removes it.
func (t *table) put(account int64, m host.Message) error {
	t.args = append(t.args[:0], account)
	for _, part := range m.Key {
		t.args = append(t.args, part)
	}
	statement := t.remove
	if !m.Delete {
		statement = t.upsert
		t.args = append(t.args, m.EmittedAt, string(m.Data))
	}
	_, err := statement.ExecContext(uncancelled, t.args...)
	clear(t.args)
	return err
}

func (t *table) close() {
	for _, s := range []*sql.Stmt{t.upsert, t.remove} {
		if s != nil {
			_ = s.Close() // nothing depends on it
		}
	}
}

// tableName is what a stream's table is called when no other is called so.
func tableName(connector, stream string) string {
	name := strings.NewReplacer("-", "_", ".", "_").Replace(connector + "_" + stream)
	if strings.HasPrefix(name, "sqlite_") { // SQLite's own
		name = "c_" + name
	}
	return name
}

// freeName returns name, with a number behind it when there is something of
// that name.
func (f *file) freeName(name string) (string, error) {
	for n, free := 1, name; ; n++ {
		if n > 1 {
			free = fmt.Sprintf("%s_%d", name, n)
		}
		var taken bool
		err := f.conn.QueryRowContext(uncancelled, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name=? COLLATE NOCASE)", free).Scan(&taken)
		if err != nil || !taken {
			return free, err
		}
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// keyColumns names the columns of a primary key like its fields, as far as
// those make names that go without quotes and are not taken.
func keyColumns(fields []string) []string {
	taken := map[string]bool{"account": true, "emitted_at": true, "data": true, "rowid": true, "oid": true, "_rowid_": true}
	columns := make([]string, len(fields))
	for i, field := range fields {
		if folded := strings.ToLower(field); plainName.MatchString(field) && !taken[folded] {
			taken[folded], columns[i] = true, field
		}
	}
	for i := range columns {
		for n := i + 1; columns[i] == ""; n++ {
			if name := fmt.Sprintf("key_%d", n); !taken[name] {
				taken[name], columns[i] = true, name
			}
		}
	}
	return columns
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoted(names []string) string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = quote(names[i])
	}
	return strings.Join(names, ", ")
}
