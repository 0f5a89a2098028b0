// Command sign has something signed.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() {
	sallyport.Main(func(_ context.Context, run *sallyport.Run) error {
		_, err := run.Sign("KEY", "app", nil)
		return err
	})
}
