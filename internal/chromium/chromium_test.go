package chromium

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/internal/storagestate"
)

const canary = "canary-5b0c"

// seal is what Chromium on Linux does, its key written down: PBKDF2 of
// "peanuts" and "saltysalt", once.
func seal(t *testing.T, prefix string, plain []byte) []byte {
	t.Helper()
	key, err := hex.DecodeString("fd621fe5a2b402539dfa147ca9272778")
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, bytes.Repeat([]byte{' '}, aes.BlockSize)).CryptBlocks(plain, plain)
	return append([]byte(prefix), plain...)
}

type row struct {
	host, name, value string
	sealed            []byte
	expires           int64
	sameSite          int
	partition         string
}

func profile(t *testing.T, place string, version int, rows ...row) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, filepath.FromSlash(place))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR)")
	exec("INSERT INTO meta VALUES('version', ?)", fmt.Sprint(version))
	partition := ""
	if version >= 18 {
		partition = "top_frame_site_key TEXT NOT NULL,"
	}
	exec("CREATE TABLE cookies(creation_utc INTEGER NOT NULL, host_key TEXT NOT NULL," + partition + ` name TEXT NOT NULL, value TEXT NOT NULL,
		encrypted_value BLOB NOT NULL, path TEXT NOT NULL, expires_utc INTEGER NOT NULL, is_secure INTEGER NOT NULL, is_httponly INTEGER NOT NULL, samesite INTEGER NOT NULL)`)
	for _, r := range rows {
		if r.sealed == nil {
			r.sealed = []byte{}
		}
		if partition == "" {
			exec("INSERT INTO cookies VALUES(1,?,?,?,?,'/',?,1,1,?)", r.host, r.name, r.value, r.sealed, r.expires, r.sameSite)
			continue
		}
		exec("INSERT INTO cookies VALUES(1,?,?,?,?,?,'/',?,1,1,?)", r.host, r.partition, r.name, r.value, r.sealed, r.expires, r.sameSite)
	}
	return dir
}

func bound(host, value string) []byte {
	hash := sha256.Sum256([]byte(host))
	return append(hash[:], value...)
}

func TestRead(t *testing.T) {
	for _, test := range []struct {
		place   string
		version int
	}{{"Cookies", 12}, {"Network/Cookies", 23}, {"Default/Network/Cookies", 24}, {"Default/Cookies", 18}} {
		t.Run(test.place, func(t *testing.T) {
			plain := func(host, value string) []byte {
				if test.version >= 24 {
					return bound(host, value)
				}
				return []byte(value)
			}
			rows := []row{
				{host: ".shop.app", name: "sid", sealed: seal(t, "v10", plain(".shop.app", canary)), expires: 13_500_000_000_000_000, sameSite: 0},
				{host: "plain.example", name: "sid", value: "p", sameSite: -1},
				{host: "keyring.example", name: "sid", sealed: seal(t, "v11", plain("keyring.example", canary))},
				{host: "windows.example", name: "sid", sealed: []byte("v20" + canary)},
				{host: "dpapi.example", name: "sid", sealed: []byte("\x01\x00\x00\x00" + canary)},
				{host: "mac.example", name: "sid", sealed: []byte("v10" + strings.Repeat("x", 32))},
			}
			if test.version >= 18 {
				rows = append(rows, row{host: "apart.example", name: "sid", value: "p", partition: "https://top.example"})
			}
			dir := profile(t, test.place, test.version, rows...)
			before := files(t, dir)
			got, err := Read(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			want := []storagestate.Cookie{
				{Name: "sid", Value: canary, Domain: ".shop.app", Path: "/", Expires: 1_855_526_400, HTTPOnly: true, Secure: true, SameSite: "None"},
				{Name: "sid", Value: "p", Domain: "plain.example", Path: "/", Expires: -1, HTTPOnly: true, Secure: true, SameSite: "Lax"},
			}
			if fmt.Sprint(got.State.Cookies) != fmt.Sprint(want) {
				t.Error("the cookies are not those of the profile")
			}
			if fmt.Sprint(got.Unread) != fmt.Sprint(map[string]int{WhyKeyring: 1, WhyAppBound: 1, WhyOSKey: 2}) {
				t.Errorf("unread: %v", got.Unread)
			}
			if after := files(t, dir); after != before {
				t.Errorf("files: %s, before %s", after, before)
			}
		})
	}
}

func files(t *testing.T, dir string) (list string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		list += " " + path
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A value that was moved to another host is not that host's.
func TestBoundToItsHost(t *testing.T) {
	dir := profile(t, "Cookies", 24, row{host: "evil.example", name: "sid", sealed: seal(t, "v10", bound("bank.example", canary))})
	got, err := Read(context.Background(), dir)
	if err != nil || len(got.State.Cookies) != 0 || got.Unread[WhyOSKey] != 1 {
		t.Errorf("%d cookies, %v, %v", len(got.State.Cookies), got.Unread, err)
	}
}

func TestRefuses(t *testing.T) {
	if _, err := Read(context.Background(), t.TempDir()); !errors.Is(err, ErrNoProfile) {
		t.Errorf("an empty folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Cookies"), []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(context.Background(), dir); !errors.Is(err, ErrDatabase) || strings.Contains(err.Error(), canary) {
		t.Errorf("no database: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, profile(t, "Cookies", 24)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
