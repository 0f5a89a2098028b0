//go:build wasip1 && !extism

// Command peerguest is bench's guest for the comparison with Extism: the same
// work for both hosts, through the SDK that each gives its authors.
package main

import (
	"context"
	"errors"

	"github.com/sallyport-host/sallyport/guest-sdk/go"
)

//go:wasmimport sallyport:run/v1 fetch_result
func fetchResult(ticket, offset, out, capacity uint32) int64

func main() { sallyport.Main(collect) }

func collect(_ context.Context, run *sallyport.Run) error {
	var o struct {
		Work  string `json:"work"`
		Times int    `json:"times"`
	}
	if err := run.DecodeOptions(&o); err != nil {
		return err
	}
	for range o.Times {
		switch o.Work {
		case "string":
			if s, err := run.Credential("BENCHMARK_SECRET"); err != nil || len(s) != 40 {
				return errors.Join(err, errors.New("it is another string"))
			}
		case "number":
			if fetchResult(0, 0, 0, 0) >= 0 { // there is no ticket 0
				return errors.New("there is a result")
			}
		}
	}
	return nil
}
