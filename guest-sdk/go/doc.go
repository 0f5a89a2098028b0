// Package sallyport is the Go SDK for Sallyport connectors: programs that
// collect a person's own data, compiled to WebAssembly, which use their
// owner's credentials without ever holding one.
//
// # Promise
//
// A connector that uses this package sees no environment, no file and no
// socket, and needs none: what it was asked for, its credentials, its requests
// and its records all pass the host through [Run]. A credential is a
// [Surrogate] that is put where the secret would go. The module imports only
// what the connector reaches of this package: one that makes no request does
// not import the host's HTTP functions. The package depends on the standard
// library alone, and on neither net/http nor crypto.
//
// The ABI is version 1; within it, this package only grows.
//
// # A connector
//
//	func main() { sallyport.Main(collect) }
//
//	func collect(ctx context.Context, run *sallyport.Run) error {
//		token, err := run.Credential("API_TOKEN")
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// is built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o collector.wasm .
//
// Outside a guest the package compiles and does nothing, so that editors, go
// vet and tests work; package sallyporttest stands in for a host.
//
// # How a run ends
//
// What the connector's function returns becomes the run's DONE message: nil
// ends it as succeeded, a [*Failure] with a Code as what it says, and any other
// error by the first of these that it wraps:
//
//	ErrRevoked                         approval_revoked
//	ErrCancelled                       run_cancelled, with status cancelled
//	ErrLeakBlocked                     leak_blocked
//	ErrRejected                        credential_rejected, refresh_credentials
//	ErrDenied, ErrNotFound, ErrExpired
//	or ErrDeclined                     credential_denied, refresh_credentials
//	ErrRateLimited, ErrExhausted
//	or ErrTooLarge                     limit_exceeded
//	ErrTimeout, ErrUnavailable
//	or context.DeadlineExceeded        source_unavailable, retry_by_runtime
//	a panic                            connector_crashed, with the stack
//	anything else                      connector_failed
//
// So a source's 401 ends as credential_rejected when the connector returns
// [Response.Err]. State counts only when the run has succeeded.
//
// # Secrets
//
// A connector never needs a secret's value. [Run.Credential] gives what to put
// in its place; [Run.Sign] and [Run.TOTP] have the host compute with it; what a
// source hands out anew, the host takes out of the answer, and [Run.Put] keeps.
// [Run.Reveal] alone gives a value away, and says so to the owner. A module
// imports of these what it calls, so its import section tells.
//
// # Goroutines
//
// A guest has one thread. A goroutine that waits for a response is parked and
// the others go on, timers too: a handful of requests at a time, run by a
// [Group], take as long as the slowest. Only [Run.Interact] stops them all.
//
// # Sizes
//
// A small connector is 4 MB, of which the Go runtime is 1.9 and encoding/json
// 1.1; net/http, in package roundtrip, costs 7 more. Flags are best left
// alone: -ldflags=-s saves 2 % and takes the names out of the host's traces.
package sallyport
