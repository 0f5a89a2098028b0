// Command credential asks for a surrogate.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() {
	sallyport.Main(func(_ context.Context, run *sallyport.Run) error {
		_, err := run.Credential("API_TOKEN")
		return err
	})
}
