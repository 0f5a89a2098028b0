//go:build goexperiment.runtimesecret

package protect

import "runtime/secret"

// Wipes reports whether [Do] wipes anything.
const Wipes = true

// Do runs f, and wipes what f has used when it returns. Nothing that f starts
// or that outlives it is covered.
func Do(f func()) { secret.Do(f) }
