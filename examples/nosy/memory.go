package main

import (
	"context"
	"fmt"
	"math"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// The end of what a guest's pointers can name: nothing lies there.
const nowhere = math.MaxUint32 - 15

// memoryTries call the host with pointers, tickets and handles that are not
// the guest's.
func memoryTries() []try {
	return []try{
		{"host memory", "log what lies behind its own memory", result(func() int64 { return rawLog(1, nowhere, 16) })},
		{"endless", "log 4 GiB of it", result(func() int64 { return rawLog(1, 0, math.MaxUint32) })},
		{"overwrite", "have START written behind its own memory", result(func() int64 { return rawInput(nowhere, math.MaxUint32) })},
		{"token to nowhere", "have its token written there", result(func() int64 { return rawUse(tokenName, nowhere, 40) })},
		{"tickets", "fetch results that are not its own", firstOf(func(i uint32) int64 { return rawFetch(i + 1) })},
		{"handles", "read responses that are not its own", firstOf(func(i uint32) int64 { return rawRead(64 + i) })},
	}
}

// result turns a raw result into what was got.
func result(call func() int64) func(context.Context, *thief) (string, error) {
	return func(context.Context, *thief) (string, error) {
		res := call()
		if res < 0 {
			return "", sallyport.Status(res)
		}
		return fmt.Sprintf("%d bytes", uint32(res)), nil
	}
}

// firstOf tries some numbers, and returns the first that got something, or the
// last refusal.
func firstOf(call func(i uint32) int64) func(context.Context, *thief) (string, error) {
	return func(ctx context.Context, t *thief) (got string, err error) {
		for i := range uint32(1000) {
			if got, err = result(func() int64 { return call(i) })(ctx, t); err == nil {
				return got, nil
			}
		}
		return got, err
	}
}
