package agefile

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// A file name is a hint: what a file is, its sealed envelope says. The names
// must still never meet, on any file system. So a component consists of a-z,
// 0-9, "_", "-" and "%" only: no upper case (some systems fold it), nothing
// outside ASCII (some normalise it), no dot, no name that Windows reserves.

const hexDigits = "0123456789abcdef"

const (
	// emptyComponent stands for "", digestPrefix begins the name of what is
	// too long; neither is a valid escape.
	emptyComponent = "%"
	digestPrefix   = "%h"
)

// escape turns any string into a component; no two strings give the same one
// (for those named by their digest, as far as SHA-256 holds).
func escape(s string) string {
	if s == "" {
		return emptyComponent
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isPlain(c) && !(i == 0 && (c == '-' || isReserved(s))) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	if b.Len() > maxComponent {
		sum := sha256.Sum256([]byte(s))
		return digestPrefix + hex.EncodeToString(sum[:])
	}
	return b.String()
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// isReserved reports whether Windows takes s for a device, with any
// extension. Its other reserved names hold characters that are escaped.
func isReserved(s string) bool {
	switch s {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(s) == 4 && (s[:3] == "com" || s[:3] == "lpt") && '0' <= s[3] && s[3] <= '9'
}

// The names in the store's tree. Paths are slash-separated, as os.Root takes
// them on every system.
const (
	formatFile  = "format"
	locksDir    = "locks"
	ownersDir   = "owners"
	indexFile   = "index.age"
	secretsDir  = "secrets"
	marksFile   = "marks.age"
	sealedExt   = ".age"
	tempPrefix  = ".tmp-"
	initLock    = "store.lock"
	lockExt     = ".lock"
	identityDir = "identity" // of the values that have no class
)

func ownerDir(owner string) string { return path.Join(ownersDir, escape(owner)) }

// classDir names the tree of one owner and class.
func classDir(owner string, class abi.Class) string {
	return path.Join(ownerDir(owner), classComponent(class))
}

// classComponent is a class as a file name. The classes that are stored are
// plain names already.
func classComponent(class abi.Class) string {
	if class == abi.ClassNone {
		return identityDir
	}
	return escape(string(class))
}

func indexPath(owner string, class abi.Class) string {
	return path.Join(classDir(owner, class), indexFile)
}

func marksPath(owner string) string { return path.Join(ownerDir(owner), marksFile) }

func secretPath(a vaultstore.Address, class abi.Class) string {
	return path.Join(classDir(a.Owner, class), secretsDir,
		escape(a.Connector), escape(a.Instance), escape(a.Grant), escape(a.Name)+sealedExt)
}

// ownerLock names the lock under which one owner's files are written.
func ownerLock(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return "owner-" + hex.EncodeToString(sum[:16]) + lockExt
}
