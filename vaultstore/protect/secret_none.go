//go:build !goexperiment.runtimesecret

package protect

// Wipes reports whether [Do] wipes anything.
const Wipes = false

// Do runs f, and wipes what f has used when it returns, in builds with
// GOEXPERIMENT=runtimesecret. This is not one.
func Do(f func()) { f() }
