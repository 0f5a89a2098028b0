// Command bare emits one record and nothing else.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

type note struct {
	ID string `json:"id"`
}

func main() {
	sallyport.Main(func(_ context.Context, run *sallyport.Run) error {
		notes := sallyport.NewStream(run, "notes", func(n note) sallyport.Key { return sallyport.Key{n.ID} })
		return notes.Emit(note{ID: "1"})
	})
}
