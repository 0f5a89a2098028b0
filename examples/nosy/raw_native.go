//go:build !wasip1

package main

import sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

// Outside a guest there is no host to call.

func rawLog(uint32, uint32, uint32) int64 { return int64(sallyport.ErrUnavailable) }
func rawInput(uint32, uint32) int64       { return int64(sallyport.ErrUnavailable) }
func rawUse(string, uint32, uint32) int64 { return int64(sallyport.ErrUnavailable) }
func rawFetch(uint32) int64               { return int64(sallyport.ErrUnavailable) }
func rawRead(uint32) int64                { return int64(sallyport.ErrUnavailable) }
