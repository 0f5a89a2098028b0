// Command put puts a credential.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() {
	sallyport.Main(func(_ context.Context, run *sallyport.Run) error {
		return run.Put("SESSION", sallyport.Surrogate(run.Option("captured")), sallyport.PutOptions{})
	})
}
