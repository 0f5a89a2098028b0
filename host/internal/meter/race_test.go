//go:build race

package meter

// raced says that the race detector is on, which makes compiling ten times as
// slow.
const raced = true
