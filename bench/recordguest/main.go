// Command recordguest is bench's guest that emits records, through the SDK as
// a connector would.
package main

import (
	"context"
	"fmt"

	"github.com/sallyport-host/sallyport/bench/internal/item"
	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() { sallyport.Main(collect) }

type options struct {
	Records int `json:"records"`
	Live    int `json:"live"` // how many credentials are in use
}

func collect(_ context.Context, run *sallyport.Run) error {
	var o options
	if err := run.DecodeOptions(&o); err != nil {
		return err
	}
	for i := range o.Live {
		if _, err := run.Credential(fmt.Sprintf("SECRET_%d", i)); err != nil {
			return err
		}
	}
	items := sallyport.NewStream(run, "items", func(i item.Item) sallyport.Key { return sallyport.Key{i.ID} })
	for n := range o.Records {
		if err := items.Emit(item.New(n)); err != nil {
			return err
		}
	}
	return items.SaveState(map[string]int{"n": o.Records})
}
