package abi_test

import (
	"fmt"

	"github.com/sallyport-host/sallyport/abi"
)

// A result of 5,000 bytes did not fit; the guest reads it by its ticket.
func ExampleResult() {
	r := abi.OK(5000, 3)
	fmt.Printf("%016x: status %v, length %d, ticket %d\n", int64(r), r.Status(), r.Len(), r.Ticket())

	r = abi.Result(abi.StatusDenied)
	fmt.Printf("status %v: the guest may read %q\n", r.Status(), r.Status().Text())
	// Output:
	// 0000000300001388: status ok, length 5000, ticket 3
	// status denied: the guest may read "denied"
}
