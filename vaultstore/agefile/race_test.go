//go:build race

package agefile

// crashStride is how many steps the crash tests take at a time. Under the race
// detector, at a tenth of the speed, each kind of fault takes a quarter of the
// steps, and each step is taken by some.
const crashStride = 4
