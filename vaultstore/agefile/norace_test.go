//go:build !race

package agefile

// crashStride is how many steps the crash tests take at a time.
const crashStride = 1
