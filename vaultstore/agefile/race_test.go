//go:build race

package agefile

// crashStride is how many steps the crash tests take at a time. They run one
// goroutine each, so the race detector has nothing to find in them; without it
// they take every step.
const crashStride = 16
