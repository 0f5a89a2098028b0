// Package protect keeps the secrets of a process to itself, as far as the
// system and Go allow.
//
// # Promise
//
// [Process] turns core dumps off and, on Linux, keeps other processes of the
// same user from attaching. [Do] runs a function whose registers, stack and
// unreachable heap are wiped afterwards, where the program was built with
// GOEXPERIMENT=runtimesecret on a system that it covers; [Wipes] says whether.
//
// # Limits
//
// All of it is best effort. Go's collector may have copied a value before it
// was cleared; an identity of age, a request's header and a guest's memory
// cannot be cleared at all; swap is not locked. The superuser reads everything.
package protect

// Process keeps this process out of core dumps. A program calls it first thing
// in main: whether to is not a library's decision, for nobody can then debug
// the process. An error is worth a warning, and not worth stopping for.
func Process() error { return process() }
