//go:build wasip1

// Command bareguest is what bench compares a request from a Go guest to: the
// same job on bare wazero, by one call of a host function that sends the
// request natively and writes the body to the guest's memory.
package main

import (
	"errors"
	"unsafe"

	"github.com/sallyport-host/sallyport/bench/internal/work"
)

//go:wasmimport bare get
//go:noescape
func get(o *byte, c uint32) int64

//go:wasmimport bare took
func took(nanoseconds int64)

// run asks for a body of at most room-1 bytes times over, as much memory for
// each as a client takes.
//
//go:wasmexport run
func run(times, room int32) int32 {
	all, err := work.Timed(int(times), func() error {
		body := make([]byte, room)
		if n := get(unsafe.SliceData(body), uint32(len(body))); n != int64(room)-1 {
			return errors.New("not the body")
		}
		return nil
	})
	if err != nil {
		return 1
	}
	for _, d := range all {
		took(d.Nanoseconds())
	}
	return 0
}

func main() {}
