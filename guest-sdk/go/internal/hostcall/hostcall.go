// Package hostcall is the one place where the SDK meets its host: the raw
// functions of the ABI, with slices for pointers and lengths, and the parking
// of goroutines on handles.
//
// # Promise
//
// In a guest (GOOS=wasip1) [Host] is an empty struct whose methods are the
// imports, called directly: what a connector does not reach, the linker drops
// with its import, so that a module's import section says no more than the
// connector can do. Everywhere else Host is the interface [Functions], which a
// fake fills: there is no global to set, and two fakes never meet.
//
// The package interprets nothing. No method blocks but Interact, Wait and
// [Waiter]'s.
package hostcall

import (
	"time"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Functions are the imports that the SDK uses. Their contract is abi/ABI.md.
type Functions interface {
	Input(out []byte) abi.Result
	Emit(lines []byte) abi.Result
	Interact(message, out []byte) abi.Result
	Log(level uint32, line []byte) abi.Result
	FetchResult(ticket, offset uint32, out []byte) abi.Result
	ErrorText(out []byte) abi.Result

	Use(name string, out []byte) abi.Result
	Status(name string, out []byte) abi.Result
	Reject(name string, reason uint32) abi.Result

	Sign(name, template string, data, out []byte) abi.Result
	TOTP(name string, out []byte) abi.Result
	Put(name, captured string, meta []byte) abi.Result
	Reveal(name string, out []byte) abi.Result

	// Send sends body, or says that it follows when body is nil and follows
	// is set.
	Send(head, body []byte, follows bool) abi.Result
	Write(handle uint32, p []byte) abi.Result
	// Wait is wait on one handle. With a time to wait all of the guest stands
	// still meanwhile: ask Alone before.
	Wait(handle uint32, timeoutMS int64, out []byte) abi.Result
	Read(handle uint32, out []byte) abi.Result
	// Close closes a handle that no Waiter owns.
	Close(handle uint32) error
	// Alone reports whether no other goroutine of the guest is there that could
	// go on while a call blocks.
	Alone() bool

	// Open, StreamWrite, StreamPoll and StreamRead are those of
	// sallyport:stream/v1: a guest that only opens streams imports no http.
	Open(address string) abi.Result
	StreamWrite(handle uint32, p []byte) abi.Result
	StreamPoll(handle uint32, out []byte) abi.Result
	StreamRead(handle uint32, out []byte) abi.Result

	// Waiter makes what parks goroutines on handle, and owns it from then on:
	// an error has closed the handle too.
	Waiter(handle uint32) (Waiter, error)
}

// Waiter parks goroutines on one handle. Its methods may be called from
// several goroutines, one at a time in Read and one in Write.
type Waiter interface {
	// Read calls try until it says that it is done; between two calls the
	// goroutine is parked until the handle is readable. It returns
	// os.ErrDeadlineExceeded past the deadline, and an error when the handle
	// is closed.
	Read(try func() (done bool)) error
	// Write does the same until the handle is writable.
	Write(try func() (done bool)) error
	// SetDeadline ends Read and Write, also those under way. It may be called
	// again. The other two are for one of them each.
	SetDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// Close closes the handle and ends Read and Write. The second call does
	// nothing.
	Close() error
}
