// Package chromium reads the cookies of a Chromium, Chrome or Edge profile.
//
// # Promise
//
// Nothing is written: the database is opened for reading where it lies, and
// there is no copy of it. Cookies that are not encrypted, or on Linux with the
// fixed password that Chromium uses where there is no keyring ("v10"), are
// read. The others are counted, with what their key is and where it lies. No
// error holds a word of a cookie.
//
// # Limits
//
// A key of the operating system (Linux keyring, "v11"; macOS Keychain; Windows
// DPAPI and app-bound encryption, "v20") is never asked for. Cookies that are
// kept apart by the site that embeds them (CHIPS) are left out, as a storage
// state has no place for it.
package chromium

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver

	"github.com/sallyport-host/sallyport/internal/storagestate"
)

// The errors of [Read].
var (
	// ErrNoProfile is a folder without a browser's cookies.
	ErrNoProfile = errors.New("it is no profile of Chromium: it has no file Cookies; give the folder that chrome://version calls the profile path")
	// ErrDatabase is a file of cookies that cannot be read.
	ErrDatabase = errors.New("the profile's cookies cannot be read; close the browser and try again")
)

// maxCookies bounds a profile.
const maxCookies = 100_000

// Cookies is what was read.
type Cookies struct {
	State storagestate.State
	// Unread counts the cookies that could not be read, by why.
	Unread map[string]int
}

// Read reads the profile in dir: "…/Default", or the folder above it.
func Read(ctx context.Context, dir string) (Cookies, error) {
	file, err := find(dir)
	if err != nil {
		return Cookies{}, err
	}
	db, err := sql.Open("sqlite", dataSource(file))
	if err != nil {
		return Cookies{}, ErrDatabase
	}
	defer db.Close()
	r, err := newReader(ctx, db)
	if err != nil {
		return Cookies{}, err
	}
	return r.cookies(ctx, db)
}

// find returns the file of cookies: its place has changed over the years.
func find(dir string) (string, error) {
	for _, name := range []string{"Network/Cookies", "Cookies", "Default/Network/Cookies", "Default/Cookies"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return filepath.Abs(path)
		}
	}
	return "", ErrNoProfile
}

func dataSource(file string) string {
	path := filepath.ToSlash(file)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(2000)&_pragma=temp_store(memory)"}
	return u.String()
}

// reader knows the form of one database.
type reader struct {
	bound       bool // a value begins with the hash of its host
	partitioned bool
	key         []byte
}

func newReader(ctx context.Context, db *sql.DB) (*reader, error) {
	r := &reader{}
	var version int
	// Chromium writes the number as text.
	if err := db.QueryRowContext(ctx, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'version'").Scan(&version); err != nil {
		return nil, failed(ctx)
	}
	const boundSince = 24
	r.bound = version >= boundSince
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM pragma_table_info('cookies') WHERE name = 'top_frame_site_key'").Scan(&n); err != nil {
		return nil, failed(ctx)
	}
	r.partitioned = n > 0
	key, err := pbkdf2.Key(sha1.New, fixedPassword, []byte("saltysalt"), 1, aes.BlockSize)
	if err != nil {
		return nil, fmt.Errorf("derive the fixed key: %w", err)
	}
	r.key = key
	return r, nil
}

// fixedPassword is no secret: it is in Chromium's source.
const fixedPassword = "peanuts"

func failed(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrDatabase
}

func (r *reader) cookies(ctx context.Context, db *sql.DB) (Cookies, error) {
	c := Cookies{State: storagestate.State{Cookies: []storagestate.Cookie{}, Origins: []storagestate.Origin{}}, Unread: map[string]int{}}
	where := ""
	if r.partitioned {
		where = " WHERE top_frame_site_key = ''"
	}
	rows, err := db.QueryContext(ctx, "SELECT host_key, name, value, encrypted_value, path, expires_utc, is_secure, is_httponly, samesite FROM cookies"+where+
		" ORDER BY host_key, path, name LIMIT "+fmt.Sprint(maxCookies))
	if err != nil {
		return Cookies{}, failed(ctx)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			k         storagestate.Cookie
			encrypted []byte
			expires   int64
			sameSite  int
		)
		if err := rows.Scan(&k.Domain, &k.Name, &k.Value, &encrypted, &k.Path, &expires, &k.Secure, &k.HTTPOnly, &sameSite); err != nil {
			return Cookies{}, failed(ctx)
		}
		if len(encrypted) > 0 {
			value, why := r.open(k.Domain, encrypted)
			if why != "" {
				c.Unread[why]++
				continue
			}
			k.Value = string(value)
			clear(value)
		}
		k.Expires, k.SameSite = seconds(expires), sameSiteName(sameSite)
		if k.Name != "" && strings.Trim(k.Domain, ".") != "" {
			c.State.Cookies = append(c.State.Cookies, k)
		}
	}
	if rows.Err() != nil {
		return Cookies{}, failed(ctx)
	}
	return c, nil
}

// Why a cookie cannot be read.
const (
	WhyKeyring  = "encrypted with a key in the Linux keyring (v11)"
	WhyAppBound = "encrypted with a key that Windows gives to the browser alone (v20)"
	WhyOSKey    = "encrypted with a key of the operating system (macOS Keychain or Windows DPAPI)"
)

// open decrypts a value, or says why it cannot.
func (r *reader) open(host string, sealed []byte) (value []byte, why string) {
	switch {
	case len(sealed) < 3:
		return nil, WhyOSKey
	case string(sealed[:3]) == "v11":
		return nil, WhyKeyring
	case string(sealed[:3]) == "v20":
		return nil, WhyAppBound
	case string(sealed[:3]) != "v10":
		return nil, WhyOSKey
	}
	plain, ok := decrypt(r.key, sealed[3:])
	if ok && r.bound {
		hash := sha256.Sum256([]byte(host))
		if ok = len(plain) >= len(hash) && subtle.ConstantTimeCompare(plain[:len(hash)], hash[:]) == 1; ok {
			plain = plain[len(hash):]
		}
	}
	if !ok || slices.ContainsFunc(plain, func(b byte) bool { return b < ' ' || b == 0x7f }) {
		return nil, WhyOSKey // v10 is also what macOS and Windows write, with another key
	}
	return plain, ""
}

// decrypt is AES-128-CBC with an IV of spaces and PKCS #7 padding.
func decrypt(key, sealed []byte) ([]byte, bool) {
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, false
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, slices.Repeat([]byte{' '}, aes.BlockSize)).CryptBlocks(plain, sealed)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, false
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, false
		}
	}
	return plain[:len(plain)-pad], true
}

// seconds turns microseconds since 1601 into seconds since 1970; -1 is a
// session cookie.
func seconds(expires int64) float64 {
	const between = 11_644_473_600
	if expires == 0 {
		return -1
	}
	return float64(expires/1_000_000 - between)
}

func sameSiteName(n int) string {
	switch n {
	case 0:
		return "None"
	case 2:
		return "Strict"
	}
	return "Lax" // what a browser takes it to be where the source says nothing
}
