package abi

import "time"

// Every bound a guest can meet, in one place. Going past one is
// [StatusTooLarge] or [StatusExhausted], before any side effect.
const (
	// MaxModuleBytes is the largest module a host reads.
	MaxModuleBytes = 64 << 20
	// MaxNameBytes bounds a credential name.
	MaxNameBytes = 128
	// MaxEmitBytes bounds one call of emit, and so one message.
	MaxEmitBytes = 8 << 20
	// MaxMessageDepth bounds the nesting of a message's JSON.
	MaxMessageDepth = 64
	// MaxCursorBytes bounds one stream's STATE cursor.
	MaxCursorBytes = 1 << 20
	// MaxKeyBytes bounds a record's key, all parts together.
	MaxKeyBytes = 4 << 10
	// MaxInteractBytes bounds an INTERACTION.
	MaxInteractBytes = 64 << 10
	// MaxLogBytes bounds one log line; what is longer is cut.
	MaxLogBytes = 4 << 10
	// MaxErrorBytes bounds the text of DONE.error.message; what is longer is cut.
	MaxErrorBytes = 8 << 10
	// MaxReasonBytes bounds a PROGRESS text, where what is longer is cut, and
	// those of a SKIP_RESULT, where it is refused.
	MaxReasonBytes = 4 << 10
	// MaxTickets is how many results may wait for fetch_result at once.
	MaxTickets = 64
	// MaxTicketBytes is how much waits for fetch_result before a call that
	// would need one more ticket is refused.
	MaxTicketBytes = 16 << 20
	// MaxHandles is how many requests and streams may be open at once.
	MaxHandles = 64
	// MaxHeadBytes bounds the JSON of a request head.
	MaxHeadBytes = 64 << 10
	// MaxHeaders bounds the headers of a request.
	MaxHeaders = 128
	// MaxURLBytes bounds a request's URL.
	MaxURLBytes = 8 << 10
	// MaxRequestBodyBytes bounds a request's body, sent at once or by write,
	// and all those together that are being sent.
	MaxRequestBodyBytes = 64 << 20
	// MaxResponseHeadBytes bounds a response's status line and headers.
	MaxResponseHeadBytes = 256 << 10
	// MaxResponseBodyBytes bounds a response's body.
	MaxResponseBodyBytes = 1 << 30
	// MaxSignBytes bounds the data of one credential-sign sign.
	MaxSignBytes = 64 << 10
	// MaxResults is how many surrogates live at once of one credential's
	// signatures, of its codes, and of what was captured for it: the newest of
	// each. Those of cookies that no rule names have the same bound, together.
	MaxResults = 1024
	// MaxWaitHandles bounds the handles of one wait.
	MaxWaitHandles = MaxHandles
	// MaxPollSubscriptions bounds the subscriptions of one WASI poll_oneoff.
	MaxPollSubscriptions = 1024
	// MaxRandomBytes bounds one WASI random_get.
	MaxRandomBytes = 1 << 20
)

// FirstHandle is the lowest handle that send or open returns. Handles are
// WASI descriptors too: poll_oneoff accepts them, so that a guest whose
// runtime has a poller (Go's) parks a goroutine on one, not the whole guest.
const FirstHandle = 64

// Times a host keeps.
const (
	// RevocationDelay is the longest a revocation made in another process
	// takes to stop a run.
	RevocationDelay = 250 * time.Millisecond
	// CancelDelay is the longest a cancelled run goes on where it is blocked.
	CancelDelay = 100 * time.Millisecond
)
