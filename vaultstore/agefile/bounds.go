package agefile

import "time"

// MaxValueBytes bounds one value.
const MaxValueBytes = 1 << 20

// Bounds of files, checked before anything is decrypted or decoded.
const (
	// maxSecretFile holds three values of MaxValueBytes in base64, with room.
	maxSecretFile = 5 << 20
	// maxIndexFile holds some 30,000 addresses of one owner and class.
	maxIndexFile = 16 << 20
	// maxMarksFile holds some 10,000 marks of one owner.
	maxMarksFile = 1 << 20
	// maxKeyFile bounds an identity and a list of recipients.
	maxKeyFile = 4 << 10
	// maxFormatFile bounds the two format files.
	maxFormatFile = 4 << 10
)

// padTo is the multiple of bytes to which a plaintext is filled up, so that a
// file's length says little about a value's.
const padTo = 256

// DefaultLockWait is how long a method waits for another process, when its
// context does not end sooner.
const DefaultLockWait = 10 * time.Second

// lockPoll is how often a lock that another process holds is tried.
const lockPoll = 3 * time.Millisecond

// maxComponent is the longest file name that escaping makes; what would be
// longer is named by its digest. Some file systems stop at 143 bytes.
const maxComponent = 120
