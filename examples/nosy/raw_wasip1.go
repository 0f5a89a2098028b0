package main

import "unsafe"

// The host's functions with plain numbers for pointers, as no SDK would call
// them.

//go:wasmimport sallyport:run/v1 log
func rawLog(level, p, n uint32) int64

//go:wasmimport sallyport:run/v1 input
func rawInput(o, c uint32) int64

//go:wasmimport sallyport:credential/v1 use
func use4(p *byte, n, o, c uint32) int64

//go:wasmimport sallyport:run/v1 fetch_result
func fetch4(ticket, offset uint32, o *byte, c uint32) int64

//go:wasmimport sallyport:http/v1 read
func read3(handle uint32, o *byte, c uint32) int64

func rawUse(name string, o, c uint32) int64 {
	return use4(unsafe.StringData(name), uint32(len(name)), o, c)
}

func rawFetch(ticket uint32) int64 {
	var room [64]byte
	return fetch4(ticket, 0, &room[0], uint32(len(room)))
}

func rawRead(handle uint32) int64 {
	var room [64]byte
	return read3(handle, &room[0], uint32(len(room)))
}
