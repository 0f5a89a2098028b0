//go:build race

package hostile_test

// underRace: the race detector makes the guard and the compiler some twenty
// times slower, so that fewer pairs of form and exit are played. The races are
// the same.
const underRace = true
