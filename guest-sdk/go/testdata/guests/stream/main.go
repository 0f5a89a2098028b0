// Command stream opens a stream.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/stream"
)

func main() {
	sallyport.Main(func(ctx context.Context, run *sallyport.Run) error {
		conn, err := stream.Dial(ctx, run, "imaps://"+run.Option("host"))
		if err != nil {
			return err
		}
		if _, err := conn.Write([]byte("a LOGOUT\r\n")); err != nil {
			return err
		}
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			return err
		}
		return conn.Close()
	})
}
