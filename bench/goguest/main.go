//go:build wasip1

// Command goguest is bench's guest in Go: it makes host calls in a loop.
package main

import (
	"strconv"
	"unsafe"
)

//go:wasmimport sallyport:run/v1 emit
func emit(p, n uint32) int64

//go:wasmimport sallyport:credential/v1 use
func use(p, n, o, c uint32) int64

//go:wasmimport sallyport:credential/v1 status
func status(p, n, o, c uint32) int64

// Set at build time.
var (
	calls    = "0"
	function = "use"
)

var (
	name = []byte("BENCHMARK_SECRET")
	out  = make([]byte, 64)
	done = []byte(`{"type":"DONE","status":"succeeded","records_emitted":0}`)
)

func ptr(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

//go:wasmexport sallyport_abi
func abiVersion() int32 { return 1 }

//go:wasmexport sallyport_run
func run() int32 {
	n, err := strconv.Atoi(calls)
	if err != nil {
		return 1
	}
	p, o := ptr(name), ptr(out)
	if function == "use" {
		for range n {
			use(p, 16, o, 64)
		}
	} else {
		for range n {
			status(p, 16, o, 64)
		}
	}
	emit(ptr(done), uint32(len(done)))
	return 0
}

func main() {}
