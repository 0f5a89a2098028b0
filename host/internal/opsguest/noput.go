//go:build wasip1 && !put

package main

// store is what a module without the import can do: nothing.
func store(string, string, string) int64 { return -1 }
