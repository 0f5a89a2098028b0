//go:build !wasip1

package sallyport

import (
	"context"
	"fmt"
	"os"

	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// Main runs the connector. It is called once, from func main, and returns
// when f has returned and DONE was emitted:
//
//	func main() { sallyport.Main(collect) }
//
// What f returns decides how the run ends: see the package comment. ctx is
// cancelled when the run is stopped. A panic in f ends the run as failed, with
// its stack; one in a goroutine that is not of a [Group] ends the guest on the
// spot, its stack goes to the log, and DONE is left to the host.
//
// Outside a guest Main prints how to build one and exits.
func Main(func(ctx context.Context, run *Run) error) {
	fmt.Fprintln(os.Stderr, "this is a connector for a Sallyport host, not a program to start: build it with "+
		"GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o collector.wasm, and test it with package sallyporttest")
	os.Exit(exitNoStart)
}

// RunOn makes a run of f on a stand-in for a host and reports whether DONE was
// emitted. It is what package sallyporttest is built on; connectors and their
// tests have no use for it.
func RunOn(host hostcall.Host, f func(ctx context.Context, run *Run) error) bool {
	return serve(host, func(*Run) {}, f) == exitDone
}
