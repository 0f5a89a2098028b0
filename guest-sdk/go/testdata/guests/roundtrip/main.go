// Command roundtrip makes a request with net/http.
package main

import (
	"context"
	"net/http"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/roundtrip"
)

func main() {
	sallyport.Main(func(ctx context.Context, run *sallyport.Run) error {
		client := &http.Client{Transport: roundtrip.New(run)}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, run.Option("base_url"), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}
