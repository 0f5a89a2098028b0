// Command reveal has a credential revealed.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() {
	sallyport.Main(func(_ context.Context, run *sallyport.Run) error {
		value, err := run.Reveal("KEY")
		if err != nil {
			return err
		}
		value.Wipe()
		return nil
	})
}
