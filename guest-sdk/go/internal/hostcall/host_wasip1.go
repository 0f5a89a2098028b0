package hostcall

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
)

// Host is what a run calls: in a guest, the imports.
type Host struct{}

var _ Functions = Host{}

//go:wasmimport sallyport:run/v1 input
//go:noescape
func input(o *byte, c uint32) int64

//go:wasmimport sallyport:run/v1 emit
//go:noescape
func emit(p *byte, n uint32) int64

//go:wasmimport sallyport:run/v1 interact
//go:noescape
func interact(p *byte, n uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:run/v1 log
//go:noescape
func log(level uint32, p *byte, n uint32) int64

//go:wasmimport sallyport:run/v1 fetch_result
//go:noescape
func fetchResult(ticket, offset uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:run/v1 error_text
//go:noescape
func errorText(o *byte, c uint32) int64

//go:wasmimport sallyport:credential/v1 use
//go:noescape
func use(p *byte, n uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:credential/v1 status
//go:noescape
func status(p *byte, n uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:credential/v1 reject
//go:noescape
func reject(p *byte, n, reason uint32) int64

//go:wasmimport sallyport:credential-sign/v1 sign
//go:noescape
func sign(p *byte, n uint32, ap *byte, an uint32, dp *byte, dn uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:credential-sign/v1 totp
//go:noescape
func totp(p *byte, n uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:credential-store/v1 put
//go:noescape
func put(p *byte, n uint32, vp *byte, vn uint32, mp *byte, mn uint32) int64

//go:wasmimport sallyport:credential-reveal/v1 reveal
//go:noescape
func reveal(p *byte, n uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:http/v1 send
//go:noescape
func send(p *byte, n uint32, bp *byte, bn uint32) int64

//go:wasmimport sallyport:http/v1 write
//go:noescape
func write(handle uint32, p *byte, n uint32) int64

//go:wasmimport sallyport:http/v1 wait
//go:noescape
func wait(hp *uint32, hn uint32, timeoutMS int64, o *byte, c uint32) int64

//go:wasmimport sallyport:http/v1 read
//go:noescape
func read(handle uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:stream/v1 open
//go:noescape
func streamOpen(p *byte, n uint32) int64

//go:wasmimport sallyport:stream/v1 write
//go:noescape
func streamWrite(handle uint32, p *byte, n uint32) int64

//go:wasmimport sallyport:stream/v1 wait
//go:noescape
func streamWait(hp *uint32, hn uint32, timeoutMS int64, o *byte, c uint32) int64

//go:wasmimport sallyport:stream/v1 read
//go:noescape
func streamRead(handle uint32, o *byte, c uint32) int64

// Pointers are those of the slices' arrays; an empty slice gives nil, which
// is within the memory. The stack of a Go guest lies in the same memory, so
// that nothing has to be moved to the heap for a call.

func (Host) Input(out []byte) abi.Result {
	return abi.Result(input(unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Emit(lines []byte) abi.Result {
	return abi.Result(emit(unsafe.SliceData(lines), uint32(len(lines))))
}

func (Host) Interact(message, out []byte) abi.Result {
	return abi.Result(interact(unsafe.SliceData(message), uint32(len(message)), unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Log(level uint32, line []byte) abi.Result {
	return abi.Result(log(level, unsafe.SliceData(line), uint32(len(line))))
}

func (Host) FetchResult(ticket, offset uint32, out []byte) abi.Result {
	return abi.Result(fetchResult(ticket, offset, unsafe.SliceData(out), uint32(len(out))))
}

func (Host) ErrorText(out []byte) abi.Result {
	return abi.Result(errorText(unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Use(name string, out []byte) abi.Result {
	return abi.Result(use(unsafe.StringData(name), uint32(len(name)), unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Status(name string, out []byte) abi.Result {
	return abi.Result(status(unsafe.StringData(name), uint32(len(name)), unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Reject(name string, reason uint32) abi.Result {
	return abi.Result(reject(unsafe.StringData(name), uint32(len(name)), reason))
}

func (Host) Sign(name, template string, data, out []byte) abi.Result {
	return abi.Result(sign(unsafe.StringData(name), uint32(len(name)), unsafe.StringData(template), uint32(len(template)),
		unsafe.SliceData(data), uint32(len(data)), unsafe.SliceData(out), uint32(len(out))))
}

func (Host) TOTP(name string, out []byte) abi.Result {
	return abi.Result(totp(unsafe.StringData(name), uint32(len(name)), unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Put(name, captured string, meta []byte) abi.Result {
	return abi.Result(put(unsafe.StringData(name), uint32(len(name)), unsafe.StringData(captured), uint32(len(captured)),
		unsafe.SliceData(meta), uint32(len(meta))))
}

func (Host) Reveal(name string, out []byte) abi.Result {
	return abi.Result(reveal(unsafe.StringData(name), uint32(len(name)), unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Send(head, body []byte, follows bool) abi.Result {
	n := uint32(len(body))
	if follows {
		body, n = nil, abi.BodyFollows
	}
	return abi.Result(send(unsafe.SliceData(head), uint32(len(head)), unsafe.SliceData(body), n))
}

func (Host) Write(handle uint32, p []byte) abi.Result {
	return abi.Result(write(handle, unsafe.SliceData(p), uint32(len(p))))
}

func (Host) Wait(handle uint32, timeoutMS int64, out []byte) abi.Result {
	return abi.Result(wait(&handle, 1, timeoutMS, unsafe.SliceData(out), uint32(len(out))))
}

func (Host) Read(handle uint32, out []byte) abi.Result {
	return abi.Result(read(handle, unsafe.SliceData(out), uint32(len(out))))
}

// Close goes by WASI, so that it needs no import of its own.
func (Host) Close(handle uint32) error { return syscall.Close(int(handle)) }

// goroutines is how many there are in a guest that has started none: that of
// sallyport_run. Were they more one day, Alone would never say so, and
// requests only be slower; a test of the host's holds the toolchain to it.
const goroutines = 1

func (Host) Alone() bool { return runtime.NumGoroutine() <= goroutines }

func (Host) Open(address string) abi.Result {
	return abi.Result(streamOpen(unsafe.StringData(address), uint32(len(address))))
}

func (Host) StreamWrite(handle uint32, p []byte) abi.Result {
	return abi.Result(streamWrite(handle, unsafe.SliceData(p), uint32(len(p))))
}

func (Host) StreamPoll(handle uint32, out []byte) abi.Result {
	return abi.Result(streamWait(&handle, 1, 0, unsafe.SliceData(out), uint32(len(out))))
}

func (Host) StreamRead(handle uint32, out []byte) abi.Result {
	return abi.Result(streamRead(handle, unsafe.SliceData(out), uint32(len(out))))
}

// Waiter lets Go's own poller wait: the host says of a handle that it does
// not block, so os puts it under runtime's netpoll, which asks poll_oneoff
// whenever no goroutine can run.
func (Host) Waiter(handle uint32) (Waiter, error) {
	f := os.NewFile(uintptr(handle), "exchange")
	if f == nil {
		return nil, errors.Join(syscall.EBADF, syscall.Close(int(handle)))
	}
	raw, err := f.SyscallConn()
	if err == nil {
		err = f.SetDeadline(time.Time{})
	}
	if err != nil { // no poller: every wait would stop the whole guest
		return nil, errors.Join(err, f.Close())
	}
	return &descriptor{file: f, raw: raw}, nil
}

type descriptor struct {
	file *os.File
	raw  syscall.RawConn
}

func (d *descriptor) Read(try func() bool) error {
	defer runtime.KeepAlive(d.file) // its finalizer closes the handle
	return d.raw.Read(func(uintptr) bool { return try() })
}

func (d *descriptor) Write(try func() bool) error {
	defer runtime.KeepAlive(d.file)
	return d.raw.Write(func(uintptr) bool { return try() })
}

func (d *descriptor) SetDeadline(t time.Time) error { return d.file.SetDeadline(t) }

func (d *descriptor) SetReadDeadline(t time.Time) error { return d.file.SetReadDeadline(t) }

func (d *descriptor) SetWriteDeadline(t time.Time) error { return d.file.SetWriteDeadline(t) }

func (d *descriptor) Close() error { return d.file.Close() }
