// Command http makes a request.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func main() {
	sallyport.Main(func(ctx context.Context, run *sallyport.Run) error {
		resp, err := sallyport.NewClient(run).Do(ctx, &sallyport.Request{URL: run.Option("base_url")})
		if err != nil {
			return err
		}
		_, err = resp.Bytes(1 << 20)
		return err
	})
}
