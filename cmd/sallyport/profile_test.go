package main

import (
	"database/sql"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// profileCommand is "profile DIR": it makes the cookies of a browser's profile
// there, of shop.app, of a site that nobody named, and one that is sealed with
// the keyring's key.
func profileCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: profile DIR")
	}
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "Cookies"))
	ts.Check(err)
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT)",
		"INSERT INTO meta VALUES('version', '24')",
		`CREATE TABLE cookies(host_key TEXT, top_frame_site_key TEXT, name TEXT, value TEXT, encrypted_value BLOB, path TEXT,
			expires_utc INTEGER, is_secure INTEGER, is_httponly INTEGER, samesite INTEGER)`,
		"INSERT INTO cookies VALUES('.shop.app', '', 'sid', '" + canary + "', x'', '/', 0, 1, 1, 1)",
		"INSERT INTO cookies VALUES('bank.example', '', 'sid', '" + canary + "', x'', '/', 0, 1, 1, 1)",
		"INSERT INTO cookies VALUES('loom.com', '', 'sid', '', CAST('v11" + canary + "' AS BLOB), '/', 0, 1, 1, 1)",
	} {
		_, err := db.Exec(statement)
		ts.Check(err)
	}
}
