package sallyport

import (
	"context"
	"log/slog"
	_ "unsafe" // for go:linkname

	"github.com/sallyport-host/sallyport/guest-sdk/go/abi"
	"github.com/sallyport-host/sallyport/guest-sdk/go/internal/hostcall"
)

// exit is what sallyport_run returns. It is the one variable of the package:
// a guest is one instance for one run, and Main has no other way to hand it
// over to the export that called main.
var exit int32 = exitNoStart

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
func Main(f func(ctx context.Context, run *Run) error) {
	exit = serve(hostcall.Host{}, func(run *Run) {
		slog.SetDefault(slog.New(run.LogHandler()))
	}, f)
}

//
//lint:ignore U1000 the host calls it
//go:wasmexport sallyport_abi
func exportABI() int32 { return abi.Version }

// exportRun calls the connector's func main, which Go does not do in a module
// built with -buildmode=c-shared.
//
//lint:ignore U1000 the host calls it
//go:wasmexport sallyport_run
func exportRun() int32 {
	connectorMain()
	return exit
}

//go:linkname connectorMain main.main
func connectorMain()

// RunOn is for tests, which do not run in a guest: here it does nothing. It is
// there so that they compile.
func RunOn(hostcall.Functions, func(ctx context.Context, run *Run) error) bool { return false }
