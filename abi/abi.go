// Package abi is the contract between a Sallyport host and its guests: the
// import modules and their functions, the status codes, the bounds, and the
// messages of a run.
//
// # Promise
//
// A guest that imports only what [Functions] lists, and that respects the
// bounds in bounds.go, runs on every host with the same [Version]. Within a
// version functions are added, never changed; a status is never given a new
// meaning. ABI.md beside this file is the authority for authors of guests in
// any language; this package states the same thing for Go, and its tests hold
// the two together.
//
// # Limits
//
// The package decides nothing and checks no policy: it is names, numbers and
// shapes. It imports the standard library only, so that any part of the tree
// may import it. Everything in it is immutable and safe for concurrent use.
package abi

// Version is what a reactor's sallyport_abi export returns.
const Version = 1

// Names of the import modules a guest may see. A guest is linked against
// exactly those that its manifest declares, its role allows and its approval
// covers; every other import is refused before the module is compiled.
const (
	ModuleRun              = "sallyport:run/v1"
	ModuleCredential       = "sallyport:credential/v1"
	ModuleCredentialSign   = "sallyport:credential-sign/v1"
	ModuleCredentialStore  = "sallyport:credential-store/v1"
	ModuleCredentialReveal = "sallyport:credential-reveal/v1"
	ModuleHTTP             = "sallyport:http/v1"
	ModuleStream           = "sallyport:stream/v1"
	ModuleBrowser          = "sallyport:browser/v1"
	ModuleWASI             = "wasi_snapshot_preview1"
)

// Names of the exports a host looks for.
const (
	// ExportRun is the entry of a reactor: () -> i32, 0 when DONE was emitted.
	ExportRun = "sallyport_run"
	// ExportABI returns [Version]: () -> i32.
	ExportABI = "sallyport_abi"
	// ExportInitialize is called once, before ExportRun: () -> ().
	ExportInitialize = "_initialize"
	// ExportStart is the entry of a WASI command: () -> ().
	ExportStart = "_start"
	// ExportMemory is the guest's linear memory.
	ExportMemory = "memory"
)

// ValType is a WebAssembly value type, by its binary encoding. The ABI uses
// no other than these two.
type ValType byte

// The value types of the ABI.
const (
	I32 ValType = 0x7f
	I64 ValType = 0x7e
)

// Func is one importable function, named as in a module's import section.
type Func struct {
	Module  string
	Name    string
	Params  []ValType
	Results []ValType
}

// Functions lists every function of the sallyport import modules that hosts
// of this version know, whether or not a given host offers it. WASI's own are
// in [WASIFunctions].
func Functions() []Func {
	i32, i64 := I32, I64
	result := []ValType{i64}
	f := func(module, name string, params ...ValType) Func {
		return Func{Module: module, Name: name, Params: params, Results: result}
	}
	return []Func{
		f(ModuleRun, "input", i32, i32),
		f(ModuleRun, "emit", i32, i32),
		f(ModuleRun, "interact", i32, i32, i32, i32),
		f(ModuleRun, "log", i32, i32, i32),
		f(ModuleRun, "fetch_result", i32, i32, i32, i32),
		f(ModuleRun, "error_text", i32, i32),

		f(ModuleCredential, "use", i32, i32, i32, i32),
		f(ModuleCredential, "status", i32, i32, i32, i32),
		f(ModuleCredential, "reject", i32, i32, i32),

		f(ModuleCredentialSign, "sign", i32, i32, i32, i32, i32, i32, i32, i32),
		f(ModuleCredentialSign, "totp", i32, i32, i32, i32),
		f(ModuleCredentialStore, "put", i32, i32, i32, i32, i32, i32),
		f(ModuleCredentialReveal, "reveal", i32, i32, i32, i32),

		f(ModuleHTTP, "send", i32, i32, i32, i32),
		f(ModuleHTTP, "write", i32, i32, i32),
		f(ModuleHTTP, "wait", i32, i32, i64, i32, i32),
		f(ModuleHTTP, "read", i32, i32, i32),
		f(ModuleHTTP, "close", i32),

		f(ModuleStream, "open", i32, i32),
		f(ModuleStream, "write", i32, i32, i32),
		f(ModuleStream, "wait", i32, i32, i64, i32, i32),
		f(ModuleStream, "read", i32, i32, i32),
		f(ModuleStream, "close", i32),
	}
}

// BodyFollows as the body length of http send says that the body comes by
// later calls of write, the last of them with a length of zero.
const BodyFollows = 0xFFFF_FFFF

// Result is what every sallyport function returns in its one i64: a negative
// [Status], or a length (or a handle, or a count) in the low 32 bits and a
// ticket in the high 31. A ticket of 0 means that the whole result is in the
// guest's buffer.
type Result int64

// OK packs a length and a ticket of at most 31 bits; a ticket's higher bits
// are cut off, so that no result but a status is ever negative.
func OK(n uint32, ticket uint32) Result { return Result(int64(ticket&0x7fff_ffff)<<32 | int64(n)) }

// Status returns the status in r, [StatusOK] when r is not negative.
func (r Result) Status() Status {
	if r < 0 {
		return Status(r)
	}
	return StatusOK
}

// Len returns the low 32 bits: the full length, a handle, or a count. It is 0
// when r is a status.
func (r Result) Len() uint32 {
	if r < 0 {
		return 0
	}
	return uint32(r)
}

// Ticket returns the ticket under which the host keeps a result that did not
// fit: 0 when it did, and when r is a status.
func (r Result) Ticket() uint32 {
	if r < 0 {
		return 0
	}
	return uint32(r >> 32)
}
